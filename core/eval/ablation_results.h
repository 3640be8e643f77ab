/* The directory of an ablation: what `karma ablate` writes, and `karma report` reads.
 *
 *   DIR/spec.yaml                 the resolved spec (core/eval/ablation.h)
 *   DIR/manifest.csv              one line for each run
 *   DIR/compared/SCENARIO.yaml    a configuration that compares all variants of a scenario:
 *                                 karma eval DIR/compared/SCENARIO.yaml --merge ...eval.csv
 *   DIR/stages/collect-HEX/       traces: store
 *   DIR/stages/fit-HEX/           a twin: twin, twin.traces
 *   DIR/runs/VARIANT/SCENARIO/SEED/
 *       training/                 the run directory of karma train (core/base/rundir.h)
 *       evaluation/               eval.csv, org_metrics.csv
 *       outcome.yaml              the record. Where it stands, the run is over
 *       cost.yaml                 times, memory, hosts
 *       log.txt                   what was said meanwhile
 *       lock                      while a process works on it
 *
 * A stage has outcome.yaml, cost.yaml, log.txt and lock, too. All but cost.yaml, log.txt and what
 * core/base/rundir.h names is a pure function of the spec: the same bytes for any number of ranks
 * and groups, and whether or not it was interrupted.
 *
 * manifest.csv has the columns
 *
 *   line      from 1, in the order in which runs are taken
 *   variant, scenario
 *   seed      train.seed; 0: the run has no training
 *   kind      training, controllers
 *   label     of the variant: the controller of its rows in eval.csv
 *   digest    of all that decides the results of the run, 16 hexadecimal digits
 *   twin      HEX of the stage fit-HEX that it trains in; empty: none is made
 *   state     waiting, running, done, failed, changed: when the manifest was written. What holds
 *             now stands in the directories of the runs: ablation_look()
 *
 * It is replaced as a whole when a process of karma ablate starts and when it leaves.
 *
 * outcome.yaml and cost.yaml are small YAML files, read by the rows below. A file that is damaged
 * or of another run counts as none. Local.
 */
#ifndef KARMA_EVAL_ABLATION_RESULTS_H
#define KARMA_EVAL_ABLATION_RESULTS_H

#include "core/base/config.h"

enum { ABLATION_FORMAT = 1, ABLATION_DIGEST_BYTES = 17 };

enum ablation_state {
    ABLATION_WAITING, /* nothing, or something unfinished that nobody works on */
    ABLATION_RUNNING, /* a process holds the lock */
    ABLATION_DONE,
    ABLATION_FAILED, /* outcome.yaml says why */
    ABLATION_CHANGED /* there is an outcome, of another configuration */
};
extern const struct cfg_choice ablation_states[];

/* A line of the manifest. */
struct ablation_line {
    int number; /* from 1 */
    const char *variant, *scenario, *kind, *label;
    uint64_t seed, digest;
    const char *twin;          /* "" = none */
    enum ablation_state state; /* when the manifest was written */
};

/* Means of one controller over the episodes of evaluation/eval.csv that are scored. A variant that
 * is trained has one, or two with `sampled`; a run of controllers has one for each. For intervals
 * read the rows. */
struct ablation_mean {
    const char *controller, *scenario; /* as in eval.csv */
    int episodes, scored;              /* no episode is scored: the means are 0 */
    double slo_attainment, vcpu, reward;
};

/* outcome.yaml of a run or a stage. */
struct ablation_outcome {
    int format;           /* ABLATION_FORMAT */
    const char *digest;   /* as in the manifest, or of the stage */
    const char *variant;  /* of a stage: "" */
    const char *scenario; /* of a stage: that of the first run that needs it */
    uint64_t seed;
    const char *kind;   /* training, controllers, collect, fit */
    int state;          /* ABLATION_DONE or ABLATION_FAILED */
    const char *error;  /* failed: ERR_NUMERIC and so on (core/base/err.h); else "" */
    const char *reason; /* failed: a sentence */
    /* of a training; the digest of a store or a twin */
    const char *weights; /* 16 hexadecimal digits; "" = none */
    int updates;
    int64_t env_steps;
    /* of a training with train.evaluate (mpi/train/convergence.h); 0 = not converged */
    bool converged, collapsed;
    int converged_update;
    int64_t converged_env_steps, converged_episodes;
    struct ablation_mean *means; /* (n_means) */
    int n_means;
};
extern const struct cfg_field ablation_outcome_fields[];

/* cost.yaml: summed over the times that the run was begun, as far as they ended in good order. */
struct ablation_cost {
    int format;
    int attempts;               /* times it was begun */
    int ranks;                  /* of the last one */
    double seconds, cpu_s;      /* wall clock; CPU of all ranks */
    double train_s, evaluate_s; /* of `seconds` */
    double memory_mib;          /* most of any rank's process so far */
    const char *started;        /* the first time */
    const char *ended;          /* the last time; UTC */
    const char *host;           /* of the first rank, the last time */
    const char *revision, *build;
};
extern const struct cfg_field ablation_cost_fields[];

/* 16 hexadecimal digits. */
void ablation_digest_print(char out[ABLATION_DIGEST_BYTES], uint64_t digest);

/* DIR/runs/VARIANT/SCENARIO/SEED, DIR/stages/KIND-HEX. In the arena; NULL when out of memory. */
char *ablation_run_dir(struct arena *arena, const char *dir, const struct ablation_line *line);
char *ablation_stage_dir(struct arena *arena, const char *dir, const char *kind, uint64_t digest);

/* DIR/manifest.csv. Reading: ERR_FORMAT with file and line; a missing file is ERR_IO. Strings in
 * the arena. */
enum err ablation_manifest_write(const char *dir, const struct ablation_line *lines,
                                 int n) WARN_UNUSED;
enum err ablation_manifest_read(struct ablation_line **lines, int *n, struct arena *arena,
                                const char *dir) WARN_UNUSED;

/* RUN/outcome.yaml. *found = false, and no error, if there is none. ERR_FORMAT with a sentence if
 * it is damaged. Strings in the arena. */
enum err ablation_outcome_write(const char *run_dir,
                                const struct ablation_outcome *out) WARN_UNUSED;
enum err ablation_outcome_read(struct ablation_outcome *out, bool *found, struct arena *arena,
                               const char *run_dir) WARN_UNUSED;

/* RUN/cost.yaml, likewise. A damaged one is left out with a warning. */
enum err ablation_cost_write(const char *run_dir, const struct ablation_cost *cost) WARN_UNUSED;
enum err ablation_cost_read(struct ablation_cost *cost, bool *found, struct arena *arena,
                            const char *run_dir) WARN_UNUSED;

/* The state of a line as its directory says now, and its outcome if it has one (*out is zeroed
 * otherwise). A damaged outcome is told in a warning, and the run counts as waiting. Quick: one
 * small file. */
enum err ablation_look(enum ablation_state *state, struct ablation_outcome *out,
                       struct arena *arena, const char *dir,
                       const struct ablation_line *line) WARN_UNUSED;

/* The same of any directory with an outcome: a stage. */
enum err ablation_look_at(enum ablation_state *state, struct ablation_outcome *out,
                          struct arena *arena, const char *run_dir, uint64_t digest) WARN_UNUSED;

#endif
