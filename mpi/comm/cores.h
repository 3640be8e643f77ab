/* Cores: which cores of its host a rank may use, and whether each rank can have one for itself.
 *
 * A core is named by its first CPU, as /sys/devices/system/cpu counts: the hardware threads of one
 * core are one element of a set. Local.
 */
#ifndef KARMA_COMM_CORES_H
#define KARMA_COMM_CORES_H

#include <stdbool.h>
#include <stdint.h>

enum { CORES_MAX = 1024 };

struct core_set {
    uint64_t bits[CORES_MAX / 64];
};

static inline bool cores_has(const struct core_set *s, int core)
{
    return (s->bits[core / 64] >> (core % 64) & 1) != 0;
}
static inline void cores_add(struct core_set *s, int core)
{
    s->bits[core / 64] |= UINT64_C(1) << (core % 64);
}
int cores_count(const struct core_set *s);
void cores_unite(struct core_set *s, const struct core_set *other);

/* The cores that this process may use (its affinity mask), and the number of CPUs in the mask.
 * False: the system does not say, or it has more than CORES_MAX CPUs. */
bool cores_usable(struct core_set *out, int *n_cpus);

/* Gives cores to ranks: core_of (n) becomes the core of each rank, -1 for a rank without one.
 * Returns the number of ranks with a core of their own, which is the largest possible. sets (n). */
int cores_match(int *core_of, const struct core_set *sets, int n);

#endif
