/* Generated topologies: call graphs of a given shape and size, of the kind the default diamond is.
 *
 *   chain    s00 -> s01 -> s02 -> ...
 *   diamond  s00 calls all but the last, each of them calls the last
 *   tree     every service but s00 has one caller, drawn among those before it with fewer than
 *            three callees; all calls in parallel
 *   mesh     four layers: a first one of entries (one for each eight services), then three of equal
 *            size; a service is called by one or two of the layer before it. Callers call in
 *            parallel, in sequence or one of several (2 : 1 : 1); every fifth service below the
 *            entries is called asynchronously; work is exponential, lognormal or deterministic
 *            (2 : 2 : 1)
 *
 * Sizes are drawn around those of the diamond: CPU requests of 300 to 800 m, memory of 256 to 1024
 * MiB, 3 to 5 pods at the start. Capacities follow: at the nominal rate the first pods are used to
 * about one half (capacities are rounded, so 47 to 53 %). Between 2 and 3 times as many pods are
 * allowed; 70 % of the CPU requests of all of them fit the node, and all of the memory.
 */
#ifndef KARMA_PLANT_TOPOLOGY_GEN_H
#define KARMA_PLANT_TOPOLOGY_GEN_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdint.h>

enum topology_shape { SHAPE_CHAIN, SHAPE_DIAMOND, SHAPE_TREE, SHAPE_MESH, SHAPES };
enum { TOPOLOGY_GEN_MIN = 4, TOPOLOGY_GEN_MAX = 32 };

struct topology_gen {
    enum topology_shape shape;
    int n_services;  /* TOPOLOGY_GEN_MIN .. TOPOLOGY_GEN_MAX */
    uint64_t seed;   /* the same in, the same text out */
    double rate_rps; /* nominal requests/s at all entries together, > 0 */
};

/* "chain", "diamond", ...; -1 if there is no such shape. */
const char *topology_shape_name(enum topology_shape shape);
int topology_shape_find(const char *name);

/* Appends a YAML file with the key `topology:` and a comment that says how it was made. ERR_MEMORY.
 */
enum err topology_generate(struct buf *out, const struct topology_gen *gen) WARN_UNUSED;

#endif
