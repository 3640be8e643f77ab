/* The evaluation store: eval.csv, from which rows that were measured before are taken back.
 *
 * A row is a pure function of what stands in it: controller, policy and train_seed (digest of the
 * weights and seed of the training; empty for rules), scenario, split, seed, episode, and
 * `cell_digest`, a digest of everything else that decides it (the configuration of the environment,
 * the scenario, the controller's parameters). So a row that is there need not be measured again,
 * whoever measured it and in whatever order, and rows of several files are one evaluation if they
 * are the rows of one. Numbers are written so that they read back as the same double. Local; on the
 * root.
 */
#ifndef KARMA_EVAL_EVAL_STORE_H
#define KARMA_EVAL_EVAL_STORE_H

#include "core/base/csv.h"
#include "core/eval/eval.h"

#include <stdbool.h>

/* One controller with one training seed. */
struct grid_arm {
    const char *name;
    int controller, train;       /* as in struct eval_row */
    bool learned;                /* the next two are meant */
    uint64_t policy, seed;       /* digest of the weights, seed of the training */
    const uint64_t *cell_digest; /* (n_scenarios) */
};

/* What an evaluation consists of. Job (arm, scenario, episode), the last one fastest, as in
 * eval.h. By reference. */
struct eval_grid {
    const struct grid_arm *arms;
    const char *const *scenarios; /* names */
    const char *split;
    uint64_t seed;
    int n_arms, n_scenarios, first, n_episodes;
    bool shielded; /* rows have the columns of the shield (core/eval/shielding.h), too */
};

/* Where a row was read: the file (NULL: nowhere) and its line. */
struct row_source {
    const char *path;
    int line;
};

struct eval_store {
    const struct eval_grid *cfg;
    struct arena *arena;        /* borrowed */
    struct eval_row *rows;      /* (n_jobs) */
    struct row_source *sources; /* (n_jobs) */
    int n_jobs, n_known;
    bool merges;    /* files that are read now are merged, which messages advise on */
    int n_in_order; /* rows of the first file that stand where their job's number says */
    bool repeats;   /* a file has a row twice */
};

enum err eval_store_init(struct eval_store *l, struct arena *arena,
                         const struct eval_grid *cfg) WARN_UNUSED;

/* Take back the rows of a file. ERR_MISMATCH, naming file and line, for a row that is not of this
 * evaluation or contradicts one that is there. A torn last row is left out with a warning. */
enum err eval_store_read(struct eval_store *l, const char *path) WARN_UNUSED;

/* A row that was measured anew must be the one that was read (ERR_MISMATCH); reads `l` only where
 * places[i] says so. */
enum err eval_store_compare(const struct eval_store *l, int i,
                            const struct eval_row *row) WARN_UNUSED;

/* One job of each arm and file whose row was read: to be measured again and compared, because a
 * changed program may measure something else. again (n_jobs) is set. */
void eval_store_choose_rechecks(bool *again, const struct eval_store *l);

/* Whether the rows that were read, of one file, are those of the first jobs, each once, in the
 * order of jobs. */
bool eval_store_in_order(const struct eval_store *l);

/* ERR_MISMATCH with a sentence that counts and names what is missing. */
enum err eval_store_check_complete(const struct eval_store *l) WARN_UNUSED;

/* A new file / one that is continued behind its last whole row. */
enum err eval_store_create(struct csv *csv, const struct eval_store *l,
                           const char *path) WARN_UNUSED;
enum err eval_store_continue(struct csv *csv, const struct eval_store *l,
                             const char *path) WARN_UNUSED;
enum err eval_store_put(struct csv *csv, const struct eval_store *l, int i,
                        const struct eval_row *row) WARN_UNUSED;

/* All rows (n_jobs) in the order of jobs; the file is replaced as a whole. */
enum err eval_store_rewrite(const struct eval_store *l, const char *path,
                            const struct eval_row *rows) WARN_UNUSED;

#endif
