/* Finished results, read back: what a report is made of.
 *
 * results_read() walks through directories and reads what it knows by name:
 *
 *   eval.csv         rows of an evaluation          -> sets of cells, one for each episode range
 *   org_metrics.csv  beside it                      -> how agents kept to their roles
 *   run.yaml         with metrics.csv, ranks.csv, convergence.csv, timing.csv, machine.yaml and
 *                    status beside it: a training   -> learning curves, convergence, resources
 *   accuracy.csv     of a report of a twin          -> accuracy of the twin
 *   roles.csv        of an analysis of trajectories -> roles that were found
 *   manifest.csv     of an ablation: which runs there must be (core/eval/ablation_results.h)
 *
 * Several directories are one result: rows of one arm that was trained with several seeds may lie
 * in as many directories. A row counts once, however often it is there. What cannot be used
 * (damaged, incomplete, contradicting) is left out with a sentence that says why and what to do;
 * nothing else is affected by it. All is a function of the contents and of the paths below the
 * directories, so results that were moved give the same report. Local.
 */
#ifndef KARMA_REPORT_RESULTS_H
#define KARMA_REPORT_RESULTS_H

#include "core/base/mem.h"
#include "core/base/progress.h"
#include "core/base/stats.h"
#include "core/eval/ablation.h"
#include "core/plant/episode_metrics.h"

#include <stdbool.h>

enum { RESULTS_DIGEST = 17, RESULTS_BINS = 100 };

/* One arm with one training seed in one scenario. */
struct result_cell {
    const char *name, *scenario; /* controller, as eval.csv has it */
    const char *split;
    uint64_t seed, train_seed; /* of the episodes, of the training (0: rules) */
    bool learned;              /* has weights, and train_seed is meant */
    bool bounded;              /* upper_bound is known: the simulator, not a twin */
    char policy[RESULTS_DIGEST],
        digest[RESULTS_DIGEST]; /* of the weights ("" for rules); cell_digest */
    const char *path;           /* its file, for messages */
    int line;                   /* of its first row */
    uint32_t first;
    int n_episodes;
    struct episode_metrics *episodes; /* (n_episodes), consecutive from `first` on */
};

/* How far agents keep to roles and missions (docs/organisation.md): a share is the quotient of two
 * sums over agents and episodes, of columns of org_metrics.csv. */
enum agent_share {
    AGENT_ALIGNMENT, /* compliant / can_act; of a rule without an organisation not known */
    AGENT_UNMASKED,  /* compliant_unmasked / can_act, of policies */
    AGENT_MISSIONS,  /* mission_improved / mission_windows */
    AGENT_CHANCE,    /* chance_compliant / can_act */
    AGENT_SHARES
};
struct share_sums {
    double part, whole; /* whole: of the rows that have a part */
};

struct result_agent {
    const char *name;     /* controller */
    const char *scenario; /* of the ablation, else as the rows say */
    uint64_t seed;        /* of the training; 0: rules */
    bool learned;
    bool in_twin; /* as the rows of eval.csv beside it */
    int n;        /* rows */
    struct share_sums shares[AGENT_SHARES];
};

/* One training. */
struct result_training {
    const char *name;     /* "ARM, SCENARIO"; without an ablation its directory without the seed */
    const char *arm;      /* as evaluations call it */
    const char *scenario; /* of the ablation; "" = of none */
    const char *path;     /* its directory */
    const char *config;   /* run.yaml without seed, directory and speed */
    uint64_t seed, config_digest;
    int n_updates;
    /* Bin b of RESULTS_BINS: mean over the updates with b = u RESULTS_BINS / n_updates. NaN: no
     * episode ended in it. env_steps: of the last update in it. */
    double env_steps[RESULTS_BINS], reward[RESULTS_BINS], slo_attainment[RESULTS_BINS];
    double last_reward, last_deviation; /* of the last 100 episodes or a few more */
    bool evaluated;                     /* it has convergence.csv */
    int n_evaluations; /* (n_evaluations) episodes until then, share of headroom: */
    const double *evaluated_episodes, *headroom;
    double converged_episodes, converged_steps, converged_s; /* NaN: never */
    bool collapsed;                                          /* at its last evaluation */
    /* What it took, as far as the files say; NaN: they do not. */
    double seconds, cpu_s, memory_bytes; /* of all ranks; memory: of the rank with the most */
    int n_ranks;
    const char *host, *cpu, *started;
};

/* A row of accuracy.csv. */
struct result_accuracy {
    const char *path, *twin, *metric;
    int horizon; /* decisions: 1, 5 or 20 */
    double skill;
};

/* A row of roles.csv: a team of one training seed, or of several together. */
struct result_analysis {
    const char *team; /* controller */
    const char *path; /* its file, for messages */
    int n_policies;
    uint64_t train_seed;            /* of n_policies = 1; 0: rules */
    int n_roles;                    /* 0: no roles */
    double purity;                  /* in as many clusters as there are assigned roles */
    double of;                      /* organisational fit; NaN: not known */
    struct stat_interval ari_seeds; /* over pairs of seeds; NaN: one seed */
};

struct left_out {
    const char *what; /* file or arm */
    const char *why;  /* what is wrong, and what to do: sentences */
};

struct results {
    struct arena *arena;       /* borrowed */
    struct result_cell *cells; /* (n_cells) in the order of the walk */
    struct result_agent *agents;
    struct result_training *trainings;
    struct result_accuracy *accuracies;
    struct result_analysis *analyses;
    struct ablation_claim *claims; /* of the specs of ablations */
    struct left_out *left;
    struct progress *progress; /* NULL: nothing is read now */
    bool listening;            /* to what readers log: sentences are logged later */
    int n_logged;
    int n_warned; /* of `left`: results that are faulty or not finished */
    int n_claims;
    int n_cells, n_agents, n_trainings, n_accuracies, n_analyses, n_left;
    int cap_cells, cap_agents, cap_trainings, cap_accuracies, cap_analyses, cap_left;
};

/* Reads what lies in and below the directories; `out` is not entered, it may lie inside of them.
 * Everything is in the arena. ERR_USAGE: there is no result in any. */
enum err results_read(struct results *r, struct arena *arena, const char *const *dirs, int n_dirs,
                      const char *out) WARN_UNUSED;

/* One more sentence about what is left out; the second logs nothing. Of the first kind only the
 * first ones are logged: a report of thousands of runs has them all. */
void results_leave_out(struct results *r, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void results_note(struct results *r, const char *what, const char *why);

#endif
