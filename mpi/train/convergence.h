/* Convergence: how good the policy is while it is trained, on episodes it does not learn from.
 *
 * Every train.evaluate.every updates the most probable choices are played on DEV episodes, spread
 * over all ranks, and a row goes to RUN/convergence.csv. Doing nothing and feed-forward staffing
 * (with the parameters of train.clone.rule, if that is ff) are played once: what lies between them
 * is the headroom. Nothing is learned from it and training never stops early: the weights are the
 * same without.
 *
 * Converged is a training at the third of three evaluations in a row that reach at least 80 % of
 * the headroom and 95 % of what its last evaluation reaches. Collapsed is a policy that answers
 * less in time than doing nothing, or needs more than 90 % of the CPU of the most pods of every
 * service: it has fallen into a constant.
 */
#ifndef KARMA_TRAIN_CONVERGENCE_H
#define KARMA_TRAIN_CONVERGENCE_H

#include "core/base/csv.h"
#include "core/eval/eval.h"
#include "core/marl/learner.h"
#include "mpi/comm/comm.h"
#include "mpi/train/setup.h"

struct convergence {
    struct comm *comm;
    const struct train_setup *setup;
    struct arena *arena; /* borrowed */
    struct controller_cfg controllers[3];
    struct eval_cfg cfg;
    struct trained_team team;
    struct eval_teams teams[3];
    struct eval *eval; /* NULL: nothing is evaluated */
    struct job_list jobs;
    int first;                 /* job of the list that is run */
    double nothing, ff;        /* slo_attainment */
    double peak_vcpu;          /* of the most pods of every service */
    const char *path, *timing; /* rank 0 */
    struct csv csv;            /* rank 0 */
};

/* Local. `learner` is that of team 0, evaluated as it is at the moment. By reference; `c` must stay
 * where it is. ERR_CONFIG with a sentence if train.evaluate asks for what cannot be played: a team
 * that meets no plant. */
enum err convergence_init(struct convergence *c, struct arena *arena, struct comm *comm,
                          const struct train_setup *setup, struct learner *learner) WARN_UNUSED;

/* Local. Rank 0: opens RUN/convergence.csv with its rows up to update `done`; a new file if `done`
 * is 0 or less, or if there is none. train.evaluate.every may have changed since the rows were
 * written. */
enum err convergence_open(struct convergence *c, int done) WARN_UNUSED;

/* Collective. Opens the file (convergence_open()) and plays the references. */
enum err convergence_begin(struct convergence *c, int done) WARN_UNUSED;

/* Local. Is there an evaluation after update u? */
bool convergence_due(const struct convergence *c, int u);

/* Collective. After update u: if it is its turn, an evaluation and its row. */
enum err convergence_update(struct convergence *c, int u) WARN_UNUSED;

/* Local. Rank 0 says whether and when it converged, and whether it is collapsed at the end. */
enum err convergence_tell(struct convergence *c) WARN_UNUSED;

/* What the rows of a training's convergence.csv say. */
struct convergence_verdict {
    int n; /* evaluations; 0: the training has none, and nothing below is meant */
    bool converged, collapsed;
    int update; /* when it converged */
    int64_t env_steps, episodes;
    double slo_attainment, vcpu; /* at the last evaluation */
};

/* Local. Of the file at `path`, which has a row for at most n_max updates; a missing file has none.
 */
enum err convergence_read(struct convergence_verdict *v, struct arena *arena, const char *path,
                          int n_max) WARN_UNUSED;

void convergence_close(struct convergence *c);

/* converged_at() of core/eval/converged.h, which says what the criterion is. */
int convergence_find(const double *slo_attainment, const double *headroom, int n);

/* Is a policy collapsed that reaches this? */
bool convergence_collapsed(const struct convergence *c, double slo_attainment, double vcpu);

#endif
