/* Keys, distributions and permutations from Philox blocks. */
#include "core/base/rng.h"

#include "core/base/fmath.h"

#include <math.h>
#include <stdlib.h>

/* The key of a purpose is itself a Philox block: two seeds, domains or splits that differ in one
 * bit have unrelated keys. The constant keeps these blocks apart from blocks that are drawn. */
struct rng_key rng_key(uint64_t seed, enum rng_domain domain, enum rng_split split)
{
    struct rng_key whole = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    struct rng_block b =
        rng_philox(whole, (uint32_t)domain, (uint32_t)split, 0x4b41524du, 0x412d4d50u);
    return (struct rng_key){{b.v[0], b.v[1]}};
}

double rng_exponential(uint32_t v)
{
    return -fm_log(rng_open_f64(v));
}

/* G. E. P. Box and M. E. Muller, "A note on the generation of random normal deviates", 1958. */
double rng_normal(uint32_t v0, uint32_t v1)
{
    return sqrt(-2.0 * fm_log(rng_open_f64(v0))) * fm_cos_turn(v1);
}

static int u64_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The value stands above the index in one word, so all words differ and any sort gives one order.
 */
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
    qsort(scratch, n, sizeof(*scratch), u64_order);
    for (uint32_t i = 0; i < n; i++) {
        out[i] = (uint32_t)scratch[i];
    }
}
