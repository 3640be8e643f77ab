/* Keys, distributions and permutations from Philox blocks. */
#include "core/base/rng.h"

#include "core/base/fmath.h"

#include <math.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

/* The key of a purpose is itself a Philox block: two seeds, domains or splits that differ in one
 * bit have unrelated keys. The constant keeps these blocks apart from blocks that are drawn. */
struct rng_key rng_key(uint64_t seed, enum rng_domain domain, enum rng_split split)
{
    struct rng_key whole = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    struct rng_block b =
        rng_philox(whole, (uint32_t)domain, (uint32_t)split, 0x4b41524du, 0x412d4d50u);
    return (struct rng_key){{b.v[0], b.v[1]}};
}

/* Inversion: if U is uniform on (0, 1], -log U is exponential with mean 1. U >= 2^-32, so a draw is
 * at most 32 log 2 = 22.2. */
double rng_exponential(uint32_t v)
{
    return -fm_log(rng_open_f64(v));
}

/* G. E. P. Box and M. E. Muller, "A note on the generation of random normal deviates", 1958. The
 * square of the radius is twice an exponential, the angle is uniform; one of the two coordinates is
 * used. A draw stays within sqrt(64 log 2) < 6.67. */
double rng_normal(uint32_t v0, uint32_t v1)
{
    return sqrt(-2.0 * fm_log(rng_open_f64(v0))) * fm_cos_turn(v1);
}

#if defined(__AVX2__)
/* One word of four blocks: the low half of each element. What stands in the high halves is ignored
 * by vpmuludq, which multiplies low halves, and dropped at the end. Compilers do not find this form
 * in the loop below. */
typedef uint64_t words __attribute__((vector_size(32)));
enum { WORDS = 4, GROUPS = RNG_LANES / WORDS };

static inline words times(words x, uint32_t factor)
{
    return (words)_mm256_mul_epu32((__m256i)x, _mm256_set1_epi64x((long long)factor));
}

static inline words widened(const uint32_t *x)
{
    return (words)_mm256_cvtepu32_epi64(_mm_loadu_si128((const __m128i *)x));
}

static inline void store_low(uint32_t *out, words x)
{
    const __m256i even = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
    const __m256i low = _mm256_permutevar8x32_epi32((__m256i)x, even);
    _mm_storeu_si128((__m128i *)out, _mm256_castsi256_si128(low));
}

void rng_philox_lanes(uint32_t out[4][RNG_LANES], struct rng_key key, const uint32_t a[RNG_LANES],
                      const uint32_t b[RNG_LANES], uint32_t c, uint32_t d)
{
    words x[4][GROUPS];
    for (int g = 0; g < GROUPS; g++) {
        x[0][g] = widened(a + WORDS * g);
        x[1][g] = widened(b + WORDS * g);
        x[2][g] = (words)_mm256_set1_epi64x((long long)c);
        x[3][g] = (words)_mm256_set1_epi64x((long long)d);
    }
    uint32_t k0 = key.k[0], k1 = key.k[1];
    for (int round = 0; round < 10; round++) {
        for (int g = 0; g < GROUPS; g++) {
            words p0 = times(x[0][g], 0xd2511f53u);
            words p1 = times(x[2][g], 0xcd9e8d57u);
            x[0][g] = (p1 >> 32) ^ x[1][g] ^ (uint64_t)k0;
            x[1][g] = p1;
            x[2][g] = (p0 >> 32) ^ x[3][g] ^ (uint64_t)k1;
            x[3][g] = p0;
        }
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    for (int w = 0; w < 4; w++) {
        for (int g = 0; g < GROUPS; g++) {
            store_low(out[w] + WORDS * g, x[w][g]);
        }
    }
}
#else
void rng_philox_lanes(uint32_t out[4][RNG_LANES], struct rng_key key, const uint32_t a[RNG_LANES],
                      const uint32_t b[RNG_LANES], uint32_t c, uint32_t d)
{
    for (int i = 0; i < RNG_LANES; i++) {
        struct rng_block block = rng_philox(key, a[i], b[i], c, d);
        for (int w = 0; w < 4; w++) {
            out[w][i] = block.v[w];
        }
    }
}
#endif

/* Without fm_log's branch: rng_open_f64() gives positive normal numbers only. */
void rng_exponential_lanes(double out[RNG_LANES], const uint32_t v[RNG_LANES])
{
    FM_EACH_ALONE
    for (int i = 0; i < RNG_LANES; i++) {
        out[i] = -fm_log_core_(fm_bits_f64_(rng_open_f64(v[i])), 0.0);
    }
}

/* Lets x[i] sink until the heap below it, x[0 .. n), has its largest word on top. The heaps below
 * its two children must be in order. The larger child moves up, so it is above its brother; the
 * sinking word stops where no child is larger. i at least doubles in each round. */
static void sift(uint64_t *x, uint32_t i, uint32_t n)
{
    const uint64_t sinking = x[i];
    for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && x[child + 1] > x[child]) {
            child++;
        }
        if (x[child] <= sinking) {
            break;
        }
        x[i] = x[child];
    }
    x[i] = sinking;
}

/* Heapsort: in place, where qsort of the C library may allocate. */
static void sort_words(uint64_t *x, uint32_t n)
{
    /* From the last word that has a child upwards, so the heaps below a word are in order when it
     * sinks. Then x[0] is the largest of x[0 .. n) and goes behind it; x[n ..] is sorted and above
     * all others. */
    for (uint32_t i = n / 2; i > 0; i--) {
        sift(x, i - 1, n);
    }
    while (n > 1) {
        n--;
        const uint64_t largest = x[0];
        x[0] = x[n];
        x[n] = largest;
        sift(x, 0, n);
    }
}

/* A uniform permutation: indices are sorted by independent random words. The word stands above the
 * index, so all keys differ and every sort gives one order. Equal words are ordered by index, which
 * biases the permutation with a probability of about n^2 / 2^33. */
void rng_permutation(uint32_t *out, uint64_t *scratch, uint32_t n, struct rng_key key, uint32_t b,
                     uint32_t c, uint32_t d)
{
    struct rng_block block = {{0}};
    for (uint32_t i = 0; i < n; i++) {
        if (i % 4 == 0) {
            block = rng_philox(key, i / 4, b, c, d);
        }
        scratch[i] = (uint64_t)block.v[i % 4] << 32 | i;
    }
    sort_words(scratch, n);
    for (uint32_t i = 0; i < n; i++) {
        out[i] = (uint32_t)scratch[i];
    }
}
