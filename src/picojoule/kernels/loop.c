/* What one element may do, for the loops that picojoule writes; REAL and TRUTH are defined before.
   The names are those of pointwise.py. All of it is free of branches, so that loops vectorise. */
#include <float.h>
#include <math.h>
#include <stdint.h>

typedef REAL real;
typedef TRUTH truth;

#define R(x) ((real)(x))
#define TRUE ((truth)1)
#define FALSE ((truth)0)
#define NOT_A_NUMBER ((real)NAN)
#define INFINITE ((real)INFINITY)
#define SMALLER(a, b) ((a) < (b) ? (a) : (b))
static const real zeros[BLOCK];

#ifdef DOUBLE
#define LARGEST DBL_MAX
#define OF(name) name
#define BIAS 1023
#define MANTISSA 52
#define LN2_HIGH 6.93147180369123816490e-01
#define LN2_LOW 1.90821492927058770002e-10
#define EXP_MOST 710.0
#define EXP_LEAST -708.4
#define EXP_START higher(r)
#else
#define LARGEST FLT_MAX
#define OF(name) name##f
#define BIAS 127
#define MANTISSA 23
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.12194440e-4f
#define EXP_MOST 89.0f
#define EXP_LEAST -87.4f
#define EXP_START R(0)
#endif

#if defined(__FMA__) || defined(__aarch64__)
static inline real fused(real a, real b, real c) { return OF(__builtin_fma)(a, b, c); }
#else
static inline real fused(real a, real b, real c) { return a * b + c; }
#endif
static inline real where(truth chosen, real a, real b) { return chosen ? a : b; }
static inline truth negation(truth a) { return !a; }
static inline real absolute(real x) { return OF(fabs)(x); }
static inline real root(real x) { return OF(sqrt)(x); }
static inline real lower(real x) { return OF(floor)(x); }
static inline real nearest(real x) { return OF(rint)(x); }
static inline real sign(real x) { return (real)((x > 0) - (x < 0)); }
static inline real maximum(real a, real b) { return ((a >= b) | (a != a)) ? a : b; }
static inline real minimum(real a, real b) { return ((a <= b) | (a != a)) ? a : b; }
static inline real limited(real x, real most) {
    return absolute(x) > most ? OF(__builtin_copysign)(most, x) : x;
}
static inline real logarithm(real x) { return OF(log)(x); }
static inline real sine(real x) { return OF(sin)(x); }
static inline real cosine(real x) { return OF(cos)(x); }
static inline real tangent_h(real x) { return OF(tanh)(x); }
static inline real arc_tangent(real x) { return OF(atan)(x); }
static inline real error_function(real x) { return OF(erf)(x); }
static inline real power(real x, real y) { return OF(pow)(x, y); }
static inline real numbers(real x, real nan, real top, real bottom) {
    x = x != x ? nan : x;
    x = x == INFINITE ? top : x;
    return x == -INFINITE ? bottom : x;
}
static inline real interpolated(real start, real end, real weight) {
    real low = fused(weight, end - start, start), high = fused(weight - R(1), end - start, end);
    return absolute(weight) < R(0.5) ? low : high;
}
#ifdef DOUBLE
/* What the series for exp(r) holds from r^8 on, over r^8. */
static inline real higher(real r) {
    real series = 1.0 / 6227020800;
    series = fused(series, r, 1.0 / 479001600);
    series = fused(series, r, 1.0 / 39916800);
    series = fused(series, r, 1.0 / 3628800);
    series = fused(series, r, 1.0 / 362880);
    return fused(series, r, 1.0 / 40320);
}
#endif
/* exp(x) = 2 2^(n - 1) exp(r), |r| <= ln(2) / 2, with a series for exp(r). The bits of 2^(n - 1) are
   those of zero where n is least, and so is what lies below the smallest normal number. */
static inline real exponential(real x) {
    x = x > EXP_MOST ? EXP_MOST : x;
    x = x < EXP_LEAST ? EXP_LEAST : x;
    real n = nearest(x * R(1.44269504088896340736));
    real r = fused(n, -LN2_LOW, fused(n, -LN2_HIGH, x));
    real series = EXP_START;
    series = fused(series, r, R(1.0 / 5040));
    series = fused(series, r, R(1.0 / 720));
    series = fused(series, r, R(1.0 / 120));
    series = fused(series, r, R(1.0 / 24));
    series = fused(series, r, R(1.0 / 6));
    series = fused(series, r, R(0.5));
    series = fused(series, r, R(1));
    series = fused(series, r, R(1));
    union { truth bits; real value; } power = {((truth)n - 1 + BIAS) << MANTISSA};
    return series * R(2) * power.value;
}
/* In lanes of a fixed width, so that the sum is the same on every machine. */
static inline real summed(const real *x, int64_t size) {
    real lanes[16] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + 16 <= size; i += 16)
        for (int j = 0; j < 16; j++) lanes[j] += x[i + j];
    for (int j = 0; j < 16; j++) sum += lanes[j];
    for (; i < size; i++) sum += x[i];
    return sum;
}
/* A store past the caches, by names that compilers have built in: immintrin.h, which has others,
   takes longer to read than all the rest to compile. */
#if defined(__clang__)
#define PAST(goal, value) __builtin_nontemporal_store(value, goal)
#elif defined(DOUBLE)
#define PAST(goal, value) __builtin_ia32_movntpd256((double *)(goal), value)
#else
#define PAST(goal, value) __builtin_ia32_movntps256((float *)(goal), value)
#endif
/* Asks for what will be read next. Rows are short, and the processor itself stops at their ends. */
static inline void ahead(const real *from, int64_t size) {
    for (int64_t i = 0; i < size; i += 64 / (int64_t)sizeof(real))
        __builtin_prefetch(from + i, 0, 2);
}
/* Copies without reading the goal's old lines first: for more than the caches hold. Past them go
   whole lines alone; a part of one would be read and written there. */
static inline void past_caches(real *goal, const real *from, int64_t size) {
    int64_t i = 0;
#if defined(__AVX__)
    typedef real vector __attribute__((vector_size(32), may_alias));
    typedef real loose __attribute__((vector_size(32), may_alias, aligned(sizeof(real))));
    enum { LANES = 32 / sizeof(real), LINE = 64 / sizeof(real) };
    for (; i < size && (uintptr_t)(goal + i) % 64; i++) goal[i] = from[i];
    for (; i + LINE <= size; i += LINE)
        for (int64_t j = i; j < i + LINE; j += LANES)
            PAST((vector *)(goal + j), *(const loose *)(from + j));
#endif
    for (; i < size; i++) goal[i] = from[i];
}
