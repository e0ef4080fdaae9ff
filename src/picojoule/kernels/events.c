/* Event-driven products: work that is proportional to the events among the values.

   Compiled once for each REAL, float and double. An event is a value that is not zero. Every sum
   runs over the events in their order, whichever thread does it, so that results do not depend on
   the number of threads. */
#include <stdlib.h>
#include <string.h>
#if defined(__AVX__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { WIDTH = 64, WIDE = 16 };
#elif defined(__AVX__)
enum { WIDTH = 32, WIDE = 8 };
#else
enum { WIDTH = 16, WIDE = 8 };
#endif
enum { LANES = WIDTH / sizeof(REAL), CACHE = 1 << 19, SORTED = 512, GROUP = 16, MANY = 64 };
enum { SMALL = 1 << 16 };
enum { NO_MEMORY = -2 };
typedef REAL vec __attribute__((vector_size(WIDTH), aligned(sizeof(REAL)), may_alias));

/* a * b + c, rounded once where the processor can: sums by events then have the bits of dense ones,
   in which all that is no event adds nothing. */
#if defined(__AVX512F__)
#define FUSED_F(a, b, c) _mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c))
#define FUSED_D(a, b, c) _mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c))
#elif defined(__AVX__) && defined(__FMA__)
#define FUSED_F(a, b, c) _mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c))
#define FUSED_D(a, b, c) _mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c))
#endif
#if defined(FUSED_F)
static inline vec fused(vec a, vec b, vec c) {
    return sizeof(REAL) == 4 ? (vec)FUSED_F(a, b, c) : (vec)FUSED_D(a, b, c);
}
static inline REAL fused_one(REAL a, REAL b, REAL c) {
    return sizeof(REAL) == 4 ? __builtin_fmaf(a, b, c) : __builtin_fma(a, b, c);
}
#else
static inline vec fused(vec a, vec b, vec c) { return a * b + c; }
static inline REAL fused_one(REAL a, REAL b, REAL c) { return a * b + c; }
#endif

/* The places of a row's events; their values too, unless all are 1. */
static int64_t compact(const REAL *x, int64_t cols, int32_t *index, int *weighted) {
    int64_t n = 0, c = 0;
    int other = 0;
#if defined(__AVX512F__)
    if (sizeof(REAL) == 4) {
        __m512i place = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        for (; c + 16 <= cols; c += 16, place = _mm512_add_epi32(place, _mm512_set1_epi32(16))) {
            __m512 v = _mm512_loadu_ps((const void *)(x + c));
            __mmask16 there = _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NEQ_UQ);
            other |= _mm512_mask_cmp_ps_mask(there, v, _mm512_set1_ps(1), _CMP_NEQ_UQ);
            _mm512_storeu_si512(index + n, _mm512_maskz_compress_epi32(there, place));
            n += __builtin_popcount(there);
        }
    }
#endif
    for (; c < cols; c++) {
        int there = x[c] != 0;
        index[n] = c;
        n += there;
        other |= there & (x[c] != 1);
    }
    *weighted = other != 0;
    return n;
}

#define ADD_ROWS(NAME, COUNT)                                                                     \
    static inline __attribute__((always_inline)) void NAME(                                       \
        const int32_t *index, int64_t events, const REAL *x, int64_t step, const REAL *from,      \
        int64_t stride, const REAL *base, REAL *out) {                                            \
        vec sum[COUNT];                                                                           \
        _Pragma("GCC unroll 16") for (int j = 0; j < COUNT; j++)                                  \
            sum[j] = base ? *(const vec *)(base + j * LANES) : (vec){0};                          \
        for (int64_t e = 0; e < events; e++) {                                                    \
            const REAL *row = from + index[e] * stride;                                           \
            if (step) {                                                                           \
                vec value = x[index[e] * step] - (vec){0};                                        \
                _Pragma("GCC unroll 16") for (int j = 0; j < COUNT; j++)                          \
                    sum[j] = fused(value, *(const vec *)(row + j * LANES), sum[j]);               \
            } else {                                                                              \
                _Pragma("GCC unroll 16") for (int j = 0; j < COUNT; j++)                          \
                    sum[j] += *(const vec *)(row + j * LANES);                                    \
            }                                                                                     \
        }                                                                                         \
        _Pragma("GCC unroll 16") for (int j = 0; j < COUNT; j++)                                  \
            *(vec *)(out + j * LANES) = sum[j];                                                   \
    }
ADD_ROWS(add_wide, WIDE)
ADD_ROWS(add_four, 4)
ADD_ROWS(add_one, 1)

/* out[c] = base[c] + sum over events e of x[e * step] from[e * stride + c], for c in start..stop;
   step 0 means that all x are 1. */
static void add_rows(const int32_t *index, int64_t events, const REAL *x, int64_t step,
                     const REAL *from, int64_t stride, const REAL *base, REAL *out,
                     int64_t start, int64_t stop) {
    int64_t c = start;
#define EACH(NAME, COUNT)                                                                         \
    for (; c + (COUNT) * LANES <= stop; c += (COUNT) * LANES)                                     \
        NAME(index, events, x, step, from + c, stride, base ? base + c : 0, out + c);
    EACH(add_wide, WIDE)
    EACH(add_four, 4)
    EACH(add_one, 1)
    for (; c < stop; c++) {
        REAL sum = base ? base[c] : 0;
        for (int64_t e = 0; e < events; e++) {
            REAL w = from[index[e] * stride + c];
            sum = step ? fused_one(x[index[e] * step], w, sum) : sum + w;
        }
        out[c] = sum;
    }
}

static int64_t count(const REAL *x, int64_t cols) {
    int64_t n = 0;
    for (int64_t c = 0; c < cols; c++) n += x[c] != 0;
    return n;
}

/* Events of every step-th row. */
int64_t events_count(const REAL *x, int64_t rows, int64_t cols, int64_t step, int threads) {
    int64_t n = 0, taken = (rows + step - 1) / step;
#pragma omp parallel for num_threads(threads) reduction(+ : n) if (taken * cols > SMALL)
    for (int64_t r = 0; r < taken; r++) n += count(x + r * step * cols, cols);
    return n;
}

/* One row, or nothing and -1 where it has more than limit events. By one thread: waking another
   takes longer than most such rows, and on a busy machine far longer. This and what follows give
   NO_MEMORY where there is too little. */
int64_t events_row(const REAL *x, int64_t cols, const REAL *weight, int64_t n, const REAL *base,
                   REAL *out, int64_t limit) {
    int weighted;
    int32_t *index = malloc((cols + 16) * sizeof(int32_t));
    if (!index) return NO_MEMORY;
    int64_t events = compact(x, cols, index, &weighted);
    if (events > limit)
        events = -1;
    else
        add_rows(index, events, x, weighted, weight, n, base, out, 0, n);
    free(index);
    return events;
}

/* The events of some rows, at most MANY: their places, how many each row has, and all have. */
typedef struct {
    int32_t *index;
    int64_t events[MANY], all;
    int weighted[MANY];
} Events;

/* Room for them; none and no index where memory is too little. */
static Events made_for(int64_t rows, int64_t cols) {
    return (Events){.index = malloc((rows * cols + 16) * sizeof(int32_t))};
}

static void listed(Events *found, const REAL *x, int64_t rows, int64_t cols) {
    found->all = 0;
    for (int64_t r = 0; r < rows; found->all += found->events[r++])
        found->events[r] =
            compact(x + r * cols, cols, found->index + found->all, found->weighted + r);
}

/* Columns that a strip of the weights has, so that it stays in the cache for some rows. */
static int64_t strip_of(int64_t cols, int64_t n) {
    if (cols * n * (int64_t)sizeof(REAL) <= CACHE) return n;
    int64_t strip = CACHE / (cols * sizeof(REAL)) / (4 * LANES) * (4 * LANES);
    return strip < 4 * LANES ? 4 * LANES : strip;
}

/* out[r] = base[r * base_stride] + x[r] weight, for the rows whose events were listed. */
static void added(const Events *found, const REAL *x, int64_t rows, int64_t cols,
                  const REAL *weight, int64_t n, const REAL *base, int64_t base_stride, REAL *out) {
    int64_t strip = rows > 1 ? strip_of(cols, n) : n;
    for (int64_t c = 0; c < n; c += strip) {
        const int32_t *index = found->index;
        for (int64_t r = 0; r < rows; index += found->events[r++])
            add_rows(index, found->events[r], x + r * cols, found->weighted[r], weight, n,
                     base ? base + r * base_stride : 0, out + r * n, c,
                     c + strip < n ? c + strip : n);
    }
}

/* out[r] = base[r * base_stride] + x[r] weight, for rows x[r] of cols values. Gives back how many
   events there are if all are 1, else -1. */
int64_t events_rows(const REAL *x, int64_t rows, int64_t cols, const REAL *weight, int64_t n,
                    const REAL *base, int64_t base_stride, REAL *out, int threads) {
    /* As many rows as use a strip of the weights again; few, where all weights stay anyway. */
    int64_t group = 4, state = 0, all = 0;
    int weighted = 0;
    if (strip_of(cols, n) < n) {
        group = (rows + threads - 1) / threads;
        group = group < 1 ? 1 : group < MANY ? group : MANY;
    }
#pragma omp parallel num_threads(threads) if (rows * cols > 4096) reduction(min : state)          \
    reduction(+ : all) reduction(| : weighted)
    {
        Events events = made_for(group, cols);
        state = events.index ? 0 : NO_MEMORY;
#pragma omp for schedule(dynamic, 1)
        for (int64_t first = 0; first < rows; first += group) {
            if (!events.index) continue;
            int64_t some = first + group < rows ? group : rows - first;
            listed(&events, x + first * cols, some, cols);
            added(&events, x + first * cols, some, cols, weight, n,
                  base ? base + first * base_stride : 0, base_stride, out + first * n);
            all += events.all;
            for (int64_t r = 0; r < some; r++) weighted |= events.weighted[r];
        }
        free(events.index);
    }
    return state ? state : weighted ? -1 : all;
}

/* The events of some rows, at most SORTED, sorted by column. */
typedef struct {
    int32_t *rows, *ends; /* the row of each event; where each column's events end */
    int weighted;
} Sorted;

/* Where memory is too little, no rows. */
static Sorted sorted(const REAL *x, int64_t rows, int64_t cols) {
    int64_t begin[SORTED + 1];
    int32_t *index = malloc((rows * cols + 16) * sizeof(int32_t)), *order = 0;
    int32_t *ends = calloc(cols + 1, sizeof(int32_t));
    int weighted, any = 0;
    begin[0] = 0;
    for (int64_t r = 0; index && ends && r < rows; r++) {
        int64_t events = compact(x + r * cols, cols, index + begin[r], &weighted);
        for (int64_t e = 0; e < events; e++) ends[index[begin[r] + e] + 1]++;
        begin[r + 1] = begin[r] + events;
        any |= weighted;
    }
    if (index && ends) order = malloc((begin[rows] + 1) * sizeof(int32_t));
    if (order) {
        for (int64_t c = 0; c < cols; c++) ends[c + 1] += ends[c];
        for (int64_t r = 0; r < rows; r++)
            for (int64_t e = begin[r]; e < begin[r + 1]; e++) order[ends[index[e]]++] = r;
    }
    free(index);
    return (Sorted){order, ends, any};
}

/* out[k] = sum over rows r of x[r, k] grads[r], for x [rows, cols] and grads [rows, n]. Threads
   sort blocks of rows, then each takes some columns of out: every event meets a row of grads that
   the cache holds. */
int64_t events_outer(const REAL *x, int64_t rows, int64_t cols, const REAL *grads, int64_t n,
                     REAL *out, int threads) {
    int64_t part = ((n + threads - 1) / threads + LANES - 1) / LANES * LANES, state = 0;
    part = part ? part : LANES; /* where there is nothing to do */
    memset(out, 0, cols * n * sizeof(REAL));
    Sorted block[GROUP];
#pragma omp parallel num_threads(threads) reduction(min : state)
    for (int64_t first = 0; first < rows; first += GROUP * SORTED) {
        int64_t left = rows - first, blocks = (left + SORTED - 1) / SORTED;
        blocks = blocks < GROUP ? blocks : GROUP;
#pragma omp for schedule(dynamic, 1)
        for (int64_t b = 0; b < blocks; b++) {
            int64_t some = left - b * SORTED < SORTED ? left - b * SORTED : SORTED;
            block[b] = sorted(x + (first + b * SORTED) * cols, some, cols);
            if (!block[b].rows) state = NO_MEMORY;
        }
#pragma omp for schedule(static, 1)
        for (int64_t start = 0; start < n; start += part)
            for (int64_t b = 0; b < blocks; b++)
                for (int64_t c = 0; block[b].rows && c < cols; c++) {
                    int64_t from = c ? block[b].ends[c - 1] : 0, row = first + b * SORTED;
                    int64_t events = block[b].ends[c] - from;
                    if (events)
                        add_rows(block[b].rows + from, events, x + row * cols + c,
                                 block[b].weighted ? cols : 0, grads + row * n, n, out + c * n,
                                 out + c * n, start, start + part < n ? start + part : n);
                }
#pragma omp for schedule(static)
        for (int64_t b = 0; b < blocks; b++) {
            free(block[b].rows);
            free(block[b].ends);
        }
    }
    return state;
}
