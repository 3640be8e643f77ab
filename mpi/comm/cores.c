/* Sets of cores, and a maximum matching of ranks to cores. See cores.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "mpi/comm/cores.h"

#include "core/base/number.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

int cores_count(const struct core_set *s)
{
    int n = 0;
    for (int i = 0; i < CORES_MAX / 64; i++) {
        n += __builtin_popcountll(s->bits[i]);
    }
    return n;
}

void cores_unite(struct core_set *s, const struct core_set *other)
{
    for (int i = 0; i < CORES_MAX / 64; i++) {
        s->bits[i] |= other->bits[i];
    }
}

/* The file lists the hardware threads of a core in ascending order, "0,64" or "0-1", so the first
 * number names the core. A CPU without that file counts as a core. */
static int core_of_cpu(int cpu)
{
    char path[96], text[64] = "";
    (void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
                   cpu);
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        return cpu;
    }
    const bool read = fgets(text, sizeof text, f) != NULL;
    (void)fclose(f);
    int64_t first;
    text[strcspn(text, ",-\n")] = '\0';
    return read && number_whole(&first, text, 0, CORES_MAX - 1) ? (int)first : cpu;
}

bool cores_usable(struct core_set *out, int *n_cpus)
{
    cpu_set_t mask;
    CPU_ZERO(&mask);
    *out = (struct core_set){{0}};
    *n_cpus = 0;
    if (sched_getaffinity(0, sizeof mask, &mask) != 0) {
        return false;
    }
    for (int cpu = 0; cpu < CPU_SETSIZE && cpu < CORES_MAX; cpu++) {
        if (CPU_ISSET((size_t)cpu, &mask)) {
            cores_add(out, core_of_cpu(cpu));
            ++*n_cpus;
        }
    }
    return *n_cpus > 0;
}

struct matching {
    const struct core_set *sets;
    int rank_of[CORES_MAX]; /* the rank that has a core, -1 */
    struct core_set tried;  /* in the current search */
};

/* A core for `rank`: a free one, or one whose rank can move to another core. This is the search for
 * an augmenting path (Kuhn); a matching without such a path is a maximum matching (Berge, 1957).
 * Free cores are looked for first, so that ranks with full masks need no deep search. Each call
 * marks a core before it recurses, so a search ends after CORES_MAX calls. */
static bool find_core(struct matching *m, int rank)
{
    for (int pass = 0; pass < 2; pass++) {
        for (int core = 0; core < CORES_MAX; core++) {
            if (!cores_has(&m->sets[rank], core) || cores_has(&m->tried, core)) {
                continue;
            }
            if (m->rank_of[core] < 0) {
                m->rank_of[core] = rank;
                return true;
            }
            if (pass == 1) {
                cores_add(&m->tried, core);
                if (find_core(m, m->rank_of[core])) {
                    m->rank_of[core] = rank;
                    return true;
                }
            }
        }
    }
    return false;
}

int cores_match(int *core_of, const struct core_set *sets, int n)
{
    struct matching m = {.sets = sets};
    int matched = 0;
    for (int core = 0; core < CORES_MAX; core++) {
        m.rank_of[core] = -1;
    }
    for (int rank = 0; rank < n; rank++) {
        core_of[rank] = -1;
        m.tried = (struct core_set){{0}};
        matched += find_core(&m, rank);
    }
    for (int core = 0; core < CORES_MAX; core++) {
        if (m.rank_of[core] >= 0) {
            core_of[m.rank_of[core]] = core;
        }
    }
    return matched;
}
