/* The ledger: eval.csv, from which rows that were measured before are taken back.
 *
 * A row is a pure function of what stands in it: controller, policy and train_seed (digest of the
 * weights and seed of the training; empty for rules), scenario, split, seed, episode, and
 * `setting`, a digest of everything else that decides it (the world, the scenario, the controller's
 * parameters). So a row that is there need not be measured again, whoever measured it and in
 * whatever order, and rows of several files are one evaluation if they are the rows of one.
 * Numbers are written so that they read back as the same double. Local; on the root.
 */
#ifndef KARMA_EVAL_LEDGER_H
#define KARMA_EVAL_LEDGER_H

#include "core/base/csv.h"
#include "core/eval/eval.h"

#include <stdbool.h>

/* One controller with one training seed. */
struct ledger_arm {
    const char *name;
    int controller, train;   /* as in struct eval_row */
    bool learned;            /* the next two are meant */
    uint64_t policy, seed;   /* digest of the weights, seed of the training */
    const uint64_t *setting; /* (n_scenarios) */
};

/* What an evaluation consists of. Job (arm, scenario, episode), the last one fastest, as in
 * eval.h. By reference. */
struct ledger_cfg {
    const struct ledger_arm *arms;
    const char *const *scenarios; /* names */
    const char *split;
    uint64_t seed;
    int n_arms, n_scenarios, first, n_episodes;
};

/* Where a row was read: the file (NULL: nowhere) and its line. */
struct ledger_place {
    const char *path;
    int line;
};

struct ledger {
    const struct ledger_cfg *cfg;
    struct arena *arena;         /* borrowed */
    struct eval_row *rows;       /* (n_jobs) */
    struct ledger_place *places; /* (n_jobs) */
    int n_jobs, n_known;
    bool merges;    /* files that are read now are merged, which messages advise on */
    int n_in_order; /* rows of the first file that stand where their job's number says */
};

enum err ledger_init(struct ledger *l, struct arena *arena,
                     const struct ledger_cfg *cfg) WARN_UNUSED;

/* Take back the rows of a file. ERR_MISMATCH, naming file and line, for a row that is not of this
 * evaluation or contradicts one that is there. A torn last row is left out with a warning. */
enum err ledger_read(struct ledger *l, const char *path) WARN_UNUSED;

/* A row that was measured anew must be the one that was read (ERR_MISMATCH); reads `l` only where
 * places[i] says so. */
enum err ledger_compare(const struct ledger *l, int i, const struct eval_row *row) WARN_UNUSED;

/* One job of each arm and file whose row was read: to be measured again and compared, because a
 * changed program may measure something else. again (n_jobs) is set. */
void ledger_choose_probes(bool *again, const struct ledger *l);

/* ERR_MISMATCH with a sentence that counts and names what is missing. */
enum err ledger_check_complete(const struct ledger *l) WARN_UNUSED;

/* A new file / one that is continued behind its last whole row. */
enum err ledger_create(struct csv *csv, struct arena *arena, const char *path) WARN_UNUSED;
enum err ledger_continue(struct csv *csv, struct arena *arena, const char *path) WARN_UNUSED;
enum err ledger_put(struct csv *csv, const struct ledger *l, int i,
                    const struct eval_row *row) WARN_UNUSED;

/* All rows (n_jobs) in the order of jobs; the file is replaced as a whole. */
enum err ledger_rewrite(const struct ledger *l, const char *path,
                        const struct eval_row *rows) WARN_UNUSED;

#endif
