/* Event-driven convolution: work that is proportional to the events among the values.

   Compiled once for each REAL, float and double. An event is a value that is not zero. Every sum
   runs over the events in an order that does not depend on the number of threads. ConvSizes
   is said in sizes.py. */
#include <stdlib.h>
#include <string.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { WIDTH = 64, WIDE = 2, FAR = 6 };
#elif defined(__AVX__)
enum { WIDTH = 32, WIDE = 4, FAR = 3 };
#else
enum { WIDTH = 16, WIDE = 8, FAR = 3 };
#endif
enum { LANES = WIDTH / sizeof(REAL), BITS = 8 * sizeof(REAL), BAND = 1 << 17, SLACK = 64 };
enum { NO_MEMORY = -2 };
typedef REAL vec __attribute__((vector_size(WIDTH), aligned(sizeof(REAL)), may_alias));
typedef int32_t ints __attribute__((vector_size(WIDTH), aligned(4), may_alias));
typedef __typeof__(__builtin_choose_expr(sizeof(REAL) == 4, (uint32_t)0, (uint64_t)0)) word;
typedef word mask __attribute__((vector_size(WIDTH)));

/* out = base + the sum over events e of values[e] from[index[e] * stride]; without values all are
   1. ROWS of this, whose from lie gap apart, and out and base step apart, go over the events at
   once. Few columns are summed in several chains, each of which waits for itself alone. */
#define ADD(NAME, ROWS, COUNT, CHAINS)                                                            \
    static void add_##NAME(const int32_t *index, int64_t events, const REAL *values,              \
                           const REAL *from, int64_t stride, int64_t gap, const REAL *base,       \
                           REAL *out, int64_t step) {                                             \
        vec sum[CHAINS][ROWS][COUNT];                                                             \
        EVERY(r, ROWS) EVERY(j, COUNT) {                                                          \
            sum[0][r][j] = *(const vec *)(base + r * step + j * LANES);                           \
            EVERY(k, CHAINS - 1) sum[k + 1][r][j] = (vec){0};                                     \
        }                                                                                         \
        int64_t e = 0;                                                                            \
        for (; values && e < events; e++)                                                         \
            EVERY(r, ROWS) EVERY(j, COUNT) sum[0][r][j] += values[e] * AT(e, r, j);               \
        for (; e + CHAINS <= events; e += CHAINS)                                                 \
            EVERY(k, CHAINS) EVERY(r, ROWS) EVERY(j, COUNT) sum[k][r][j] += AT(e + k, r, j);      \
        for (; CHAINS > 1 && e < events; e++)                                                     \
            EVERY(r, ROWS) EVERY(j, COUNT) sum[0][r][j] += AT(e, r, j);                           \
        EVERY(r, ROWS) EVERY(j, COUNT) {                                                          \
            EVERY(k, CHAINS - 1) sum[0][r][j] += sum[k + 1][r][j];                                \
            *(vec *)(out + r * step + j * LANES) = sum[0][r][j];                                  \
        }                                                                                         \
    }
#define EVERY(I, N) _Pragma("GCC unroll 16") for (int I = 0; I < N; I++)
#define AT(E, R, J) *(const vec *)(from + index[E] * stride + R * gap + J * LANES)
ADD(block, 1, WIDE, 2)
ADD(one, 1, 1, 4)
ADD(few, 1, 3, 2)
ADD(far, 1, FAR, 1)
ADD(three, 3, 1, 2)
ADD(three_few, 3, 3, 1)
ADD(three_far, 3, FAR, 1)

/* Memory at the start of a line of the cache: a vec that lies across two takes twice as long. */
static void *room(int64_t count, int64_t size) {
    return aligned_alloc(64, (count * size + SLACK) / 64 * 64 + 64);
}

static REAL *zeros(int64_t count) {
    REAL *made = room(count, sizeof(REAL));
    return made ? memset(made, 0, count * sizeof(REAL)) : 0;
}

/* The rows of t become its columns. */
static inline __attribute__((always_inline)) void turn(vec *t) {
    vec u[LANES];
#if defined(__clang__)
    for (int i = 0; i < LANES; i++)
        for (int j = 0; j < LANES; j++) u[j][i] = t[i][j];
    memcpy(t, u, sizeof u);
#else
    mask low, high;
    for (int i = 0; i < LANES; i++) {
        low[i] = i / 2 + i % 2 * LANES;
        high[i] = low[i] + LANES / 2;
    }
    _Pragma("GCC unroll 4") for (int round = 1; round < LANES; round *= 2) {
        _Pragma("GCC unroll 8") for (int i = 0; i < LANES / 2; i++) {
            u[2 * i] = __builtin_shuffle(t[i], t[i + LANES / 2], low);
            u[2 * i + 1] = __builtin_shuffle(t[i], t[i + LANES / 2], high);
        }
        _Pragma("GCC unroll 16") for (int i = 0; i < LANES; i++) t[i] = u[i];
    }
#endif
}

/* What x has for one image: the events of each of some items, one item after the other. */
typedef struct {
    int32_t *index, *start; /* start[i] to start[i + 1] of index is of item i */
    REAL *values;
    word *found; /* room for a bit of each value */
    int weighted; /* some value is another than 1 */
} Lists;

static Lists lists_for(int64_t items, int64_t places) {
    int64_t words = (places + BITS - 1) / BITS, most = items * places + SLACK;
    Lists made = {room(most, sizeof(int32_t)), room(items + 1, sizeof(int32_t)),
                  room(most, sizeof(REAL)), room(words * (items + LANES), sizeof(word)), 0};
    return made;
}

static int complete(const Lists *lists) {
    return lists->index && lists->start && lists->values && lists->found;
}

static void release(Lists *lists) {
    free(lists->index);
    free(lists->start);
    free(lists->values);
    free(lists->found);
}

/* The places of some bits, counted from first. */
static inline int64_t places_of(uint64_t bits, int32_t first, int32_t *to) {
    int64_t n = 0;
#if defined(__AVX512F__)
    __m512i place = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (place = _mm512_add_epi32(place, _mm512_set1_epi32(first)); bits; bits >>= 16) {
        _mm512_storeu_si512(to + n, _mm512_maskz_compress_epi32(bits, place));
        n += __builtin_popcount(bits & 0xffff);
        place = _mm512_add_epi32(place, _mm512_set1_epi32(16));
    }
#else
    for (; bits; bits &= bits - 1) to[n++] = first + __builtin_ctzll(bits);
#endif
    return n;
}

/* The values of events, where some are not 1. */
static void weigh(const REAL *x, int64_t items, int64_t item_step, int64_t step, int weighted,
                  Lists *lists) {
    lists->weighted = weighted;
    for (int64_t i = 0; weighted && i < items; i++)
        for (int64_t e = lists->start[i]; e < lists->start[i + 1]; e++)
            lists->values[e] = x[i * item_step + lists->index[e] * step];
}

/* Items whose values lie together: x[item * places + place]. */
static void along(const REAL *x, int64_t items, int64_t places, Lists *lists) {
    int64_t n = 0;
    int other = 0;
    for (int64_t i = 0; i < items; i++) {
        const REAL *from = x + i * places;
        int64_t p = 0;
        lists->start[i] = n;
#if defined(__AVX512F__)
        for (; sizeof(REAL) == 4 && p + 16 <= places; p += 16) {
            __m512 v = _mm512_loadu_ps((const void *)(from + p));
            __mmask16 there = _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NEQ_UQ);
            other |= _mm512_mask_cmp_ps_mask(there, v, _mm512_set1_ps(1), _CMP_NEQ_UQ);
            n += places_of(there, p, lists->index + n);
        }
#endif
        for (; p < places; p++) {
            int there = from[p] != 0;
            lists->index[n] = p;
            n += there;
            other |= there & (from[p] != 1);
        }
    }
    lists->start[items] = n;
    weigh(x, items, places, 1, other, lists);
}

/* Items whose values lie apart, x[place * items + item]: bits first, for many items at once. */
static void across(const REAL *x, int64_t items, int64_t places, Lists *lists) {
    int64_t n = 0, words = (places + BITS - 1) / BITS, step = (items + LANES - 1) / LANES * LANES;
    mask other = {0}, bit = {0};
    int weighted = 0;
    memset(lists->found, 0, words * step * sizeof(word));
    for (int64_t p = 0; p < places; p++, bit += bit) {
        word *found = lists->found + p / BITS * step;
        if (p % BITS == 0) bit = (mask){0} + 1;
        for (int64_t i = 0; i < items; i += LANES) {
            vec v = {0};
            if (items - i >= LANES)
                v = *(const vec *)(x + p * items + i);
            else
                memcpy(&v, x + p * items + i, (items - i) * sizeof(REAL));
            mask there = (mask)(v != 0);
            *(mask *)(found + i) |= there & bit;
            other |= there & (mask)(v != 1);
        }
    }
    for (int64_t i = 0; i < items; i++) {
        lists->start[i] = n;
        for (int64_t w = 0; w < words; w++) {
            uint64_t bits = (uint64_t)lists->found[w * step + i] & (~0ull >> (64 - BITS));
            n += places_of(bits, w * BITS, lists->index + n);
        }
    }
    lists->start[items] = n;
    for (int i = 0; i < LANES; i++) weighted |= other[i] != 0;
    weigh(x, items, 1, items, weighted, lists);
}

/* Events of the rows of x that one row of outputs looks at, one column of x after the other. */
static void gather(const ConvSizes *s, int64_t row, const Lists *pixels, Lists *strip) {
    int64_t n = 0, top = row * s->stride_y - s->pad_y;
    for (int64_t col = 0; col < s->width + 2 * s->pad_x; col++) {
        int64_t x = col - s->pad_x;
        strip->start[col] = n;
        for (int64_t dy = 0; dy < s->kernel_y && x >= 0 && x < s->width; dy++) {
            int64_t y = top + dy;
            if (y < 0 || y >= s->height) continue;
            int64_t from = pixels->start[y * s->width + x];
            int64_t events = pixels->start[y * s->width + x + 1] - from;
            int32_t place = (col * s->kernel_y + dy) * s->channels;
            for (int64_t e = 0; e < events; e += WIDTH / 4)
                *(ints *)(strip->index + n + e) = *(ints *)(pixels->index + from + e) + place;
            if (pixels->weighted)
                memcpy(strip->values + n, pixels->values + from, events * sizeof(REAL));
            n += events;
        }
    }
    strip->start[s->width + 2 * s->pad_x] = n;
}

/* Weights as [block of outputs][dx][dy][channel][output], and after them the base. */
static void pack(const ConvSizes *s, const REAL *weight, const REAL *base, int64_t padded,
                 REAL *packed) {
    int64_t taps = s->kernel_y * s->kernel_x, inputs = taps * s->channels;
#pragma omp for
    for (int64_t o = 0; o < padded; o++) {
        int64_t blocks = padded / (WIDE * LANES) * WIDE * LANES;
        int64_t wide = o < blocks ? WIDE * LANES : LANES, first = o / wide * wide;
        REAL *to = packed + first * inputs + o - first;
        const REAL *from = weight + o * inputs;
        for (int64_t c = 0; c < s->channels; c++)
            for (int64_t dy = 0; dy < s->kernel_y; dy++)
                for (int64_t dx = 0; dx < s->kernel_x; dx++)
                    to[((dx * s->kernel_y + dy) * s->channels + c) * wide] =
                        o < s->outputs ? from[c * taps + dy * s->kernel_x + dx] : 0;
        packed[padded * inputs + o] = o < s->outputs && base ? base[o] : 0;
    }
}

/* Pixels [pixels, padded] to where they belong in out. */
static void place_outputs(const ConvSizes *s, const REAL *done, int64_t padded, int64_t first,
                          int64_t pixels, REAL *out) {
    int64_t plane = s->rows * s->cols;
    for (int64_t p = 0; s->last && p < pixels; p++)
        memcpy(out + (first + p) * s->outputs, done + p * padded, s->outputs * sizeof(REAL));
    for (int64_t o = 0; !s->last && o < s->outputs; o += LANES) {
        for (int64_t p = 0; p < pixels; p += LANES) {
            int64_t some = pixels - p < LANES ? pixels - p : LANES;
            vec tile[LANES];
            for (int i = 0; i < LANES; i++) tile[i] = *(const vec *)(done + (p + i) * padded + o);
            turn(tile);
            for (int i = 0; i < LANES && o + i < s->outputs; i++) {
                REAL *to = out + (o + i) * plane + first + p;
                if (some == LANES)
                    *(vec *)to = tile[i];
                else
                    memcpy(to, tile + i, some * sizeof(REAL));
            }
        }
    }
}

/* One row of outputs, [cols, padded]. */
static void convolve_row(const ConvSizes *s, const Lists *strip, const REAL *packed, int64_t padded,
                         REAL *done) {
    int64_t inputs = s->kernel_y * s->kernel_x * s->channels;
    const REAL *base = packed + padded * inputs;
    const REAL *values = strip->weighted ? strip->values : 0;
    for (int64_t o = 0, wide; o < padded; o += wide) {
        int blocks = o + WIDE * LANES <= padded;
        wide = blocks ? WIDE * LANES : LANES;
        for (int64_t q = 0; q < s->cols; q++) {
            int64_t col = q * s->stride_x, from = strip->start[col];
            int64_t events = strip->start[col + s->kernel_x] - from;
            const REAL *weight = packed + o * inputs - col * s->kernel_y * s->channels * wide;
            (blocks ? add_block : add_one)(strip->index + from, events, values ? values + from : 0,
                                           weight, wide, 0, base + o, done + q * padded + o, 0);
        }
    }
}

/* out = base + the convolution of x with weight, or NO_MEMORY. */
int64_t convolution_forward(const ConvSizes *s, const REAL *x, const REAL *weight, const REAL *base,
                            REAL *out, int threads) {
    int64_t padded = (s->outputs + LANES - 1) / LANES * LANES, pixels = s->height * s->width;
    int64_t inputs = s->kernel_y * s->kernel_x * s->channels, state = 0;
    int64_t band = BAND / (s->cols * padded * (int64_t)sizeof(REAL));
    band = band < 1 ? 1 : band < s->rows ? band : s->rows;
    REAL *packed = room((inputs + 1) * padded, sizeof(REAL));
    if (!packed) return NO_MEMORY;
#pragma omp parallel num_threads(threads) reduction(min : state)
    {
        Lists list = lists_for(pixels, s->channels);
        Lists strip = lists_for(s->width + 2 * s->pad_x, s->kernel_y * s->channels);
        REAL *done = room((band * s->cols + LANES) * padded, sizeof(REAL));
        state = complete(&list) && complete(&strip) && done ? 0 : NO_MEMORY;
        pack(s, weight, base, padded, packed);
#pragma omp for schedule(dynamic, 1)
        for (int64_t n = 0; n < s->images; n++) {
            if (state) continue;
            (s->last ? along : across)(x + n * pixels * s->channels, pixels, s->channels, &list);
            strip.weighted = list.weighted;
            for (int64_t first = 0; first < s->rows; first += band) {
                int64_t some = first + band < s->rows ? band : s->rows - first;
                for (int64_t r = 0; r < some; r++) {
                    gather(s, first + r, &list, &strip);
                    convolve_row(s, &strip, packed, padded, done + r * s->cols * padded);
                }
                place_outputs(s, done, padded, first * s->cols, some * s->cols,
                              out + n * s->rows * s->cols * s->outputs);
            }
        }
        release(&list);
        release(&strip);
        free(done);
    }
    free(packed);
    return state;
}

/* The gradient of an image's outputs as [height + kernel_y - 1][width + kernel_x - 1][padded]:
   what the last tap of an input gets stands at its own place. */
static void spread(const ConvSizes *s, const REAL *grads, int64_t padded, REAL *to) {
    int64_t plane = s->rows * s->cols, wide = s->width + s->kernel_x - 1;
    int64_t tall = s->height + s->kernel_y - 1;
    for (int64_t row = 0; row < s->rows; row++) {
        int64_t y = row * s->stride_y - s->pad_y + s->kernel_y - 1;
        if (y < 0 || y >= tall) continue;
        int64_t left = s->kernel_x - 1 - s->pad_x;
        for (int64_t q = 0; q < s->cols; q += LANES) {
            int64_t some = s->cols - q < LANES ? s->cols - q : LANES;
            for (int64_t o = 0; o < s->outputs; o += LANES) {
                vec tile[LANES];
                int64_t outs = s->outputs - o < LANES ? s->outputs - o : LANES;
                for (int i = 0; i < LANES; i++) {
                    tile[i] = (vec){0};
                    if (s->last && i < some)
                        memcpy(tile + i, grads + (row * s->cols + q + i) * s->outputs + o,
                               outs * sizeof(REAL));
                    if (!s->last && i < outs) {
                        const REAL *from = grads + (o + i) * plane + row * s->cols + q;
                        if (some == LANES)
                            tile[i] = *(const vec *)from;
                        else
                            memcpy(tile + i, from, some * sizeof(REAL));
                    }
                }
                if (!s->last) turn(tile);
                for (int64_t i = 0, at = q * s->stride_x + left; i < some; i++, at += s->stride_x)
                    if (at >= 0 && at < wide)
                        *(vec *)(to + (y * wide + at) * padded + o) = tile[i];
            }
        }
    }
}

/* sums [channel][kernel_y][kernel_x * padded], of turned taps, += those of an image. Three rows of
   a kernel go together: of what one of them reads the next two find most in the cache. */
static void collect(const ConvSizes *s, const Lists *list, const REAL *grads, int64_t padded,
                    REAL *sums) {
    int64_t span = s->kernel_x * padded, gap = (s->width + s->kernel_x - 1) * padded;
    for (int64_t c = 0; c < s->channels; c++) {
        int64_t begin = list->start[c], events = list->start[c + 1] - begin, rows;
        const REAL *values = list->weighted ? list->values + begin : 0;
        for (int64_t dy = 0; events && dy < s->kernel_y; dy += rows) {
            rows = dy + 3 <= s->kernel_y ? 3 : 1;
            const REAL *from = grads + dy * gap;
            REAL *to = sums + (c * s->kernel_y + dy) * span;
            for (int64_t o = 0, count; o < span; o += count * LANES) {
                int64_t left = (span - o) / LANES;
                count = left >= FAR ? FAR : left >= 3 ? 3 : 1;
                (rows == 3 ? count == FAR ? add_three_far : count == 3 ? add_three_few : add_three
                           : count == FAR ? add_far : count == 3 ? add_few : add_one)(
                    list->index + begin, events, values, from + o, padded, gap, to + o, to + o,
                    span);
            }
        }
    }
}

/* out [outputs, channels, kernel_y, kernel_x]: the gradient of the weights from x and the gradient
   of the outputs. Images are summed in some parts, whatever the number of threads. */
int64_t convolution_gradient(const ConvSizes *s, const REAL *x, const REAL *grads, REAL *out,
                             int64_t parts, int threads) {
    int64_t padded = (s->outputs + LANES - 1) / LANES * LANES, pixels = s->height * s->width;
    int64_t wide = s->width + s->kernel_x - 1, tall = s->height + s->kernel_y - 1;
    int64_t taps = s->kernel_y * s->kernel_x, size = s->channels * taps * padded, state = 0;
    int32_t *place = room(pixels, sizeof(int32_t)); /* of each pixel in what spread gives */
    REAL *sums = zeros(parts * size);
    if (!sums || !place) {
        free(sums);
        free(place);
        return NO_MEMORY;
    }
    for (int64_t p = 0; p < pixels; p++) place[p] = p + p / s->width * (s->kernel_x - 1);
#pragma omp parallel num_threads(threads) reduction(min : state)
    {
        Lists list = lists_for(s->channels, pixels);
        REAL *turned = zeros(tall * wide * padded);
        state = complete(&list) && turned ? 0 : NO_MEMORY;
#pragma omp for schedule(dynamic, 1)
        for (int64_t part = 0; part < parts; part++) {
            int64_t first = s->images * part / parts, stop = s->images * (part + 1) / parts;
            for (int64_t n = first; !state && n < stop; n++) {
                const REAL *image = x + n * pixels * s->channels;
                (s->last ? across : along)(image, s->channels, pixels, &list);
                for (int64_t e = 0; e < list.start[s->channels]; e++)
                    list.index[e] = place[list.index[e]];
                spread(s, grads + n * s->rows * s->cols * s->outputs, padded, turned);
                collect(s, &list, turned, padded, sums + part * size);
            }
        }
#pragma omp for
        for (int64_t c = 0; c < s->channels; c++)
            for (int64_t tap = 0; tap < taps; tap++)
                for (int64_t o = 0; o < padded; o += LANES) {
                    const REAL *from = sums + (c * taps + taps - 1 - tap) * padded + o;
                    vec sum = {0};
                    for (int64_t part = 0; part < parts; part++)
                        sum += *(const vec *)(from + part * size);
                    for (int i = 0; i < LANES && o + i < s->outputs; i++)
                        out[((o + i) * s->channels + c) * taps + tap] = sum[i];
                }
        release(&list);
        free(turned);
    }
    free(sums);
    free(place);
    return state;
}
