/* A fitted twin: what it learned, and what it remembers.
 *
 *   T(s, a) = a recorded successor, if (s, a) is in the table; else what a network answers
 *             (arXiv 2505.21559, phase 1)
 *
 * On disk it is two files: FILE with the networks (proto/twin.proto) and FILE.traces, a trace
 * store, with the transitions; the first names the digest of the second. FILE of a queueing twin
 * holds the parameters of its network, and FILE.csv shows them; FILE of a residual twin holds both,
 * the parameters first. A new twin's transitions
 * are FILE.traces.pending until FILE has taken its place, and are found there if a fit ended
 * between the two. The store keeps its parts: the table holds training episodes only, validation
 * and held-out ones are for reports and refits.
 */
#ifndef KARMA_TWIN_MODEL_H
#define KARMA_TWIN_MODEL_H

#include "core/base/config.h"
#include "core/twin/ensemble.h"
#include "core/twin/learn.h"
#include "core/twin/lookup.h"
#include "core/twin/nearest.h"
#include "core/twin/queueing_fit.h"

enum lookup_kind { LOOKUP_NONE, LOOKUP_EXACT, LOOKUP_QUANTISED };
enum fallback_kind { FALLBACK_MLP, FALLBACK_NEAREST };

/* What a twin is made of: networks and the table, or a network of queues (queueing.h), or a network
 * of queues and networks that correct it (correction.h). */
enum twin_kind { TWIN_MLP, TWIN_QUEUEING, TWIN_RESIDUAL };
enum { MODEL_SPREADS = 201 }; /* quantiles 0, 0.5 %, ... 100 % */

/* How a twin is used. */
struct twin_cfg {
    const char *file; /* "": no twin */
    int kind;         /* enum twin_kind */
    int lookup;       /* enum lookup_kind */
    int fallback;     /* enum fallback_kind */
    const char **key;
    int n_key;
    int successors; /* fewest that the table must have recorded to be believed */
    double quantum, radius;
    double noise, draw, demand_sd, load_sd; /* of queues: struct fluid_cfg */
};
extern const struct cfg_field twin_fields[];

/* The noise of a residual twin is that of its residual pools. */
static inline struct fluid_cfg twin_fluid_cfg(const struct twin_cfg *cfg)
{
    const bool still = cfg->kind == TWIN_RESIDUAL;
    return (struct fluid_cfg){.noise = still ? 0.0 : cfg->noise,
                              .draw = cfg->draw,
                              .demand_sd = cfg->demand_sd,
                              .load_sd = cfg->load_sd,
                              .still = still};
}

struct twin_model {
    const struct twin_cfg *cfg; /* borrowed */
    struct features features;
    struct dataset data;
    struct ensemble ensemble;
    struct lookup table;         /* with a lookup, or a nearest fallback */
    struct twin_nearest nearest; /* with that fallback */
    float *spread;               /* (MODEL_SPREADS) quantiles of ensemble_spread() on validation */
    int *starts;                 /* (n_starts) first rows of training episodes, by their load */
    int n_starts;
    struct queueing *queueing; /* NULL: a twin of networks; else table and nearest are empty, and
                                  the ensemble of a queueing twin */
    struct topology *topology; /* of the traces; with queueing */
    uint64_t digest;           /* FNV-1a, 64 bits, over the file of the networks */
    const char *fit;           /* YAML: the settings of its fit */
};

/* "mlp", ... as a configuration has it. */
const char *twin_kind_name(enum twin_kind kind);

static inline enum twin_kind model_kind(const struct twin_model *m)
{
    return m->queueing == NULL          ? TWIN_MLP
           : m->ensemble.n_members == 0 ? TWIN_QUEUEING
                                        : TWIN_RESIDUAL;
}

/* "FILE.traces" and "FILE.traces.pending", in the arena. */
const char *model_traces(struct arena *arena, const char *file);
const char *model_pending(struct arena *arena, const char *file);

/* Which of the two holds the transitions that the twin `file` was fitted to; the first if neither
 * does. Errors as model_load(), but nothing is said of the transitions. */
enum err model_find_traces(const char **traces, struct arena *arena, const char *file) WARN_UNUSED;

/* ERR_IO, ERR_FORMAT, ERR_MISMATCH with the sentence; ERR_VERSION for a twin of an earlier version,
 * which has to be fitted again. `m` must stay where it is. */
enum err model_load(struct twin_model *m, struct arena *arena, const struct twin_cfg *cfg,
                    const char *file) WARN_UNUSED;

/* The same from the bytes of a file; `file` names them in messages, traces: path of the store, or
 * that without ".pending". */
enum err model_read(struct twin_model *m, struct arena *arena, const struct twin_cfg *cfg,
                    const struct buf *bytes, const char *file, const char *traces) WARN_UNUSED;

/* Which part of the store at `traces` has too few transitions to be fitted to ("training",
 * "validation"); NULL: none. Errors as model_begin(). */
enum err model_lacks(const char **part, struct arena *arena, const char *traces,
                     int history) WARN_UNUSED;

/* A model to be fitted to the store at `traces`: data, scalers, untrained members. `from` not NULL:
 * a warm start, see model_adopt(). It cannot be stepped: it has no table. */
enum err model_begin(struct twin_model *m, struct arena *arena, const char *traces,
                     const struct fit_cfg *fit, const struct twin_model *from,
                     struct arena *scratch) WARN_UNUSED;

/* A queueing twin of the store at `traces`, fitted. plant, cfg: as queueing_fit() takes them. */
enum err model_fit_queueing(struct twin_model *m, struct queueing_errors *errors,
                            struct arena *arena, const char *traces, const struct plant_cfg *plant,
                            const struct fluid_cfg *cfg, const struct fit_cfg *fit,
                            struct arena *scratch) WARN_UNUSED;

/* A residual twin to be fitted to the store at `traces`, as model_begin() makes one: `queues` are
 * the bytes of a queueing twin that was fitted to it (model_put()). Its queues play all episodes.
 * plant, cfg: as queueing_fit() takes them. */
enum err model_begin_residual(struct twin_model *m, struct arena *arena, const char *traces,
                              const struct buf *queues, const struct plant_cfg *plant,
                              const struct fluid_cfg *cfg, const struct fit_cfg *fit,
                              const struct twin_model *from, struct arena *scratch) WARN_UNUSED;

/* Scalers and parameters of another model of the same shape; limits from the data. ERR_MISMATCH. */
enum err model_adopt(struct twin_model *m, const struct twin_model *from) WARN_UNUSED;

/* What all members together know about themselves: residual pools (noise_rows at most each, from
 * the arena), calibration of the spread. scratch is another arena, rewound. */
enum err model_calibrate(struct twin_model *m, struct arena *arena, int noise_rows,
                         struct arena *scratch) WARN_UNUSED;

/* The bytes of the file, appended; `traces`: the store's digest, fit: YAML. */
enum err model_put(struct buf *out, const struct twin_model *m, uint64_t traces,
                   const char *fit) WARN_UNUSED;

/* The file itself, whole or not at all. */
enum err model_save(struct twin_model *m, const char *file, uint64_t traces,
                    const char *fit) WARN_UNUSED;

/* A member as bytes, and back: what a rank sends that fitted it. Its residual pool is in the arena.
 */
enum err model_put_member(struct buf *out, const struct twin_model *m, int member) WARN_UNUSED;
enum err model_get_member(struct twin_model *m, struct arena *arena, int member,
                          const void *payload, size_t n, const char *source,
                          struct arena *scratch) WARN_UNUSED;

/* Out-of-distribution score of a state, in [0, 1]: the share of validation transitions at which the
 * members' spread was smaller. Beyond all of them, and where the spread is not a
 * number, it is 1. */
double model_score(const struct twin_model *m, double spread);

#endif
