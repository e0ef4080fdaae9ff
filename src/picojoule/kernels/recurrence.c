/* All steps of a recurrent layer; follows events.c in one source.

   Each thread takes some of the rows, which do not know of each other, through all steps, and waits
   for nobody in between. Sums run over the inputs in their order, by events as in dense products, so
   that results depend neither on the number of threads nor on the way that density chooses. */

#if defined(__AVX512F__)
enum { VECTORS = 4 };
#else
enum { VECTORS = 2 };
#endif
enum { TALL = 6, BROAD = VECTORS * LANES, DEEP = 512 };

/* COUNT rows and BROAD columns of out = base + row + x panel; panel is [deep, BROAD]. */
#define TILE(COUNT)                                                                               \
    static void tile_##COUNT(const REAL *x, int64_t x_row, int64_t deep, const REAL *panel,       \
                             const REAL *base, int64_t base_row, const REAL *row, REAL *out,      \
                             int64_t out_row) {                                                   \
        vec sum[COUNT][VECTORS];                                                                  \
        _Pragma("GCC unroll 8") for (int r = 0; r < COUNT; r++)                                   \
            _Pragma("GCC unroll 8") for (int v = 0; v < VECTORS; v++)                             \
                sum[r][v] = base ? *(const vec *)(base + r * base_row + v * LANES) : (vec){0};    \
        _Pragma("GCC unroll 8") for (int r = 0; row && r < COUNT; r++)                            \
            _Pragma("GCC unroll 8") for (int v = 0; v < VECTORS; v++)                             \
                sum[r][v] += *(const vec *)(row + v * LANES);                                     \
        for (int64_t k = 0; k < deep; k++, panel += BROAD) {                                      \
            vec w[VECTORS];                                                                       \
            _Pragma("GCC unroll 8") for (int v = 0; v < VECTORS; v++)                             \
                w[v] = *(const vec *)(panel + v * LANES);                                         \
            _Pragma("GCC unroll 8") for (int r = 0; r < COUNT; r++) {                             \
                vec value = x[r * x_row + k] - (vec){0};                                          \
                _Pragma("GCC unroll 8") for (int v = 0; v < VECTORS; v++)                         \
                    sum[r][v] = fused(value, w[v], sum[r][v]);                               \
            }                                                                                     \
        }                                                                                         \
        _Pragma("GCC unroll 8") for (int r = 0; r < COUNT; r++)                                   \
            _Pragma("GCC unroll 8") for (int v = 0; v < VECTORS; v++)                             \
                *(vec *)(out + r * out_row + v * LANES) = sum[r][v];                              \
    }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)
typedef void (*Tile)(const REAL *, int64_t, int64_t, const REAL *, const REAL *, int64_t,
                     const REAL *, REAL *, int64_t);
static const Tile tiles[] = {0, tile_1, tile_2, tile_3, tile_4, tile_5, tile_6};

/* Weights [inputs, outputs] in the order in which the tiles read them: for each DEEP inputs, panels
   of BROAD outputs, the last of which ends in zeros. */
static REAL *packed(const REAL *weight, int64_t inputs, int64_t outputs, int threads) {
    int64_t panels = (outputs + BROAD - 1) / BROAD;
    REAL *made = aligned_alloc(WIDTH, (inputs * panels * BROAD + BROAD) * sizeof(REAL));
    if (!made) return 0;
#pragma omp parallel for num_threads(threads) if (inputs * outputs > SMALL)
    for (int64_t i = 0; i < inputs; i++) {
        int64_t block = i / DEEP * DEEP, deep = inputs - block < DEEP ? inputs - block : DEEP;
        for (int64_t p = 0; p < panels; p++) {
            REAL *goal = made + block * panels * BROAD + (p * deep + i - block) * BROAD;
            int64_t c = p * BROAD, some = outputs - c < BROAD ? outputs - c : BROAD;
            memcpy(goal, weight + i * outputs + c, some * sizeof(REAL));
            for (int64_t j = some; j < BROAD; j++) goal[j] = 0;
        }
    }
    return made;
}

/* out [rows, outputs] = base + more [outputs] + x [rows, inputs] weight, dense. */
static void dense(const REAL *x, int64_t rows, int64_t inputs, const REAL *packed, int64_t outputs,
                  const REAL *base, int64_t base_row, const REAL *more, REAL *out) {
    int64_t panels = (outputs + BROAD - 1) / BROAD;
    for (int64_t k = 0; k < inputs; k += DEEP, base = out, base_row = outputs, more = 0)
        for (int64_t p = 0; p < panels; p++) {
            int64_t deep = inputs - k < DEEP ? inputs - k : DEEP, c = p * BROAD;
            const REAL *panel = packed + k * panels * BROAD + p * deep * BROAD;
            for (int64_t r = 0; r < rows; r += TALL) {
                int64_t tall = rows - r < TALL ? rows - r : TALL, some = outputs - c;
                const REAL *values = x + r * inputs + k, *from = base ? base + r * base_row + c : 0;
                const REAL *row = more ? more + c : 0;
                REAL *goal = out + r * outputs + c;
                if (some >= BROAD) {
                    tiles[tall](values, inputs, deep, panel, from, base_row, row, goal, outputs);
                    continue;
                }
                REAL edge[TALL * BROAD] = {0}, end[BROAD] = {0};
                if (row) row = memcpy(end, row, some * sizeof(REAL));
                for (int64_t i = 0; from && i < tall; i++)
                    memcpy(edge + i * BROAD, from + i * base_row, some * sizeof(REAL));
                tiles[tall](values, inputs, deep, panel, edge, BROAD, row, edge, BROAD);
                for (int64_t i = 0; i < tall; i++)
                    memcpy(goal + i * outputs, edge + i * BROAD, some * sizeof(REAL));
            }
        }
}

/* The same for rows of which some are all zeros, such as gradients of what comes after the end of a
   sequence: only the others are multiplied. room is for 2 * rows * the larger size. */
static void dense_but_zeros(const REAL *x, int64_t rows, int64_t inputs, const REAL *packed,
                            int64_t outputs, const REAL *base, int64_t base_row, const REAL *more,
                            REAL *out, REAL *room) {
    int64_t taken[MANY], some = 0;
    for (int64_t r = 0; r < rows; r++) {
        int other = 0;
        for (int64_t k = 0; k < inputs; k++) other |= x[r * inputs + k] != 0;
        taken[some] = r;
        some += other;
    }
    if (some == rows) {
        dense(x, rows, inputs, packed, outputs, base, base_row, more, out);
        return;
    }
    REAL *values = room, *sums = room + some * inputs;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < outputs; c++)
            out[r * outputs + c] = (base ? base[r * base_row + c] : 0) + (more ? more[c] : 0);
    for (int64_t i = 0; i < some; i++) {
        memcpy(values + i * inputs, x + taken[i] * inputs, inputs * sizeof(REAL));
        memcpy(sums + i * outputs, out + taken[i] * outputs, outputs * sizeof(REAL));
    }
    dense(values, some, inputs, packed, outputs, sums, outputs, 0, sums);
    for (int64_t i = 0; i < some; i++)
        memcpy(out + taken[i] * outputs, sums + i * outputs, outputs * sizeof(REAL));
}

/* out [rows, n] = x [rows, cols] weight, where rows of zeros take no time. */
int64_t rows_dense(const REAL *x, int64_t rows, int64_t cols, const REAL *weight, int64_t n,
                   REAL *out, int threads) {
    int64_t chunks = (rows + MANY - 1) / MANY, state = 0;
    REAL *made = packed(weight, cols, n, threads);
    if (!made) return NO_MEMORY;
#pragma omp parallel num_threads(threads) if (threads > 1) reduction(min : state)
    {
        REAL *room = malloc(MANY * (cols + n) * sizeof(REAL));
        if (!room) state = NO_MEMORY;
#pragma omp for schedule(static)
        for (int64_t c = 0; c < chunks; c++) {
            int64_t r = c * MANY, some = rows - r < MANY ? rows - r : MANY;
            if (room) dense_but_zeros(x + r * cols, some, cols, made, n, 0, 0, 0, out + r * n, room);
        }
        free(room);
    }
    free(made);
    return state;
}

/* A compiled step of neurons, as launch.py has it: some of its pointers move with the steps. */
typedef struct {
    int64_t place;
    char *start;
    int64_t stride, count;
} Move;
typedef struct {
    void (*run)(const int64_t *, void **);
    const int64_t *numbers;
    void **pointers;
    const Move *moves;
    int64_t count;
} Step;

static void run(const Step *steps, int64_t count, int64_t t) {
    for (int64_t s = 0; s < count; s++) {
        for (int64_t m = 0; m < steps[s].count; m++) {
            const Move *move = steps[s].moves + m;
            steps[s].pointers[move->place] = move->start + t % move->count * move->stride;
        }
        steps[s].run(steps[s].numbers, steps[s].pointers);
    }
}

/* Rows that one thread takes, and the steps of their neurons: forward, replayed and backward. */
typedef struct {
    int64_t start, stop, count;
    const Step *forward, *replay, *backward;
} Band;

/* One part of the state [rows, width], and what is kept of it, every so many steps. */
typedef struct {
    REAL *held, *kept;
    int64_t width;
} State;

typedef struct {
    int64_t steps, rows, size, every, states, bands;
    const State *state;
    const Band *band;
    const REAL *weight;              /* [inputs, outputs], both of that size */
    const REAL *given;               /* [steps, rows, size], added to the products, or null */
    int64_t given_step, given_row;   /* its strides */
    const REAL *more;                /* [steps, size], added to each of its rows, or null */
    double limit;                    /* density up to which products go by events */
} Layer;

static const REAL *given(const Layer *l, int64_t t, int64_t row) {
    return l->given ? l->given + t * l->given_step + row * l->given_row : 0;
}

static void copied(const State *state, REAL *goal, const REAL *from, const Band *band) {
    int64_t size = (band->stop - band->start) * state->width;
    memcpy(goal + band->start * state->width, from + band->start * state->width,
           size * sizeof(REAL));
}

/* received [steps, rows, size] = given + the last spikes times weight, and what the neurons do with
   it, which is to write to fired [steps, rows, size]. first [rows, size] was before. */
int64_t recurrence_forward(const Layer *l, const REAL *first, const REAL *fired, REAL *received) {
    int64_t n = l->size, state = 0;
    int threads = l->bands;
    REAL *weight = l->limit < 1 ? packed(l->weight, n, n, threads) : 0;
    if (l->limit < 1 && !weight) return NO_MEMORY;
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1) reduction(min : state)
    for (int64_t b = 0; b < l->bands; b++) {
        const Band *band = l->band + b;
        Events events = made_for(MANY, n);
        if (!events.index) state = NO_MEMORY;
        for (int64_t t = 0; events.index && t < l->steps; t++) {
            for (int64_t k = 0; t % l->every == 0 && k < l->states; k++) {
                const State *one = l->state + k;
                copied(one, one->kept + t / l->every * l->rows * one->width, one->held, band);
            }
            const REAL *spikes = t ? fired + (t - 1) * l->rows * n : first;
            REAL *goal = received + t * l->rows * n;
            for (int64_t r = band->start; r < band->stop; r += MANY) {
                int64_t some = band->stop - r < MANY ? band->stop - r : MANY;
                const REAL *x = spikes + r * n, *base = given(l, t, r);
                if (l->limit > 0) listed(&events, x, some, n);
                if (l->limit > 0 && events.all <= l->limit * some * n)
                    added(&events, x, some, n, l->weight, n, base, l->given_row, goal + r * n);
                else
                    dense(x, some, n, weight, n, base, l->given_row, 0, goal + r * n);
            }
            run(band->forward, band->count, t);
        }
        free(events.index);
    }
    free(weight);
    return state;
}

/* The neurons backwards, which write to wanted [steps, rows, size], and after each step
   arriving [rows, size] = given and more of the step before + wanted times weight. */
int64_t recurrence_backward(const Layer *l, const REAL *wanted, REAL *arriving) {
    int64_t n = l->size, last = (l->steps - 1) / l->every * l->every, state = 0;
    int threads = l->bands;
    REAL *weight = packed(l->weight, n, n, threads);
    if (!weight) return NO_MEMORY;
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1) reduction(min : state)
    for (int64_t b = 0; b < l->bands; b++) {
        const Band *band = l->band + b;
        int64_t row = band->start;
        REAL *room = malloc(2 * MANY * n * sizeof(REAL));
        if (!room) state = NO_MEMORY;
        for (int64_t start = last; room && start >= 0; start -= l->every) {
            int64_t stop = start + l->every < l->steps ? start + l->every : l->steps;
            for (int64_t k = 0; k < l->states; k++) {
                const State *one = l->state + k;
                copied(one, one->held, one->kept + start / l->every * l->rows * one->width, band);
            }
            for (int64_t t = start; t + 1 < stop; t++) run(band->replay, band->count, t);
            for (int64_t t = stop - 1; t >= start; t--) {
                run(band->backward, band->count, t);
                const REAL *more = t && l->more ? l->more + (t - 1) * n : 0;
                for (int64_t r = row; r < band->stop; r += MANY) {
                    int64_t some = band->stop - r < MANY ? band->stop - r : MANY;
                    const REAL *x = wanted + (t * l->rows + r) * n, *base = t ? given(l, t - 1, r) : 0;
                    dense_but_zeros(x, some, n, weight, n, base, l->given_row, more,
                                    arriving + r * n, room);
                }
            }
        }
        free(room);
    }
    free(weight);
    return state;
}
