/* An observer that keeps one episode, step by step, for the trajectory log (trajectories.bin). */
#ifndef KARMA_EVAL_TRAJECTORY_RECORDER_H
#define KARMA_EVAL_TRAJECTORY_RECORDER_H

#include "core/eval/episode.h"
#include "proto/trajectory_log.h"

struct trajectory_recorder {
    int n_services, n_columns, n_action,
        horizon;                  /* n_action: the most that a team chooses a step */
    int n_steps;                  /* kept so far */
    const struct team_spec *spec; /* of the team that acts; NULL: none */
    float *state;                 /* (horizon + 1, n_columns) */
    int32_t *delta;               /* (horizon, n_services) */
    int32_t *action;              /* (horizon, n_action) */
    double *reward;               /* (horizon, terms) */
    int32_t *change;              /* (horizon, A, n_services) what each agent's choice asks for */
    int32_t *free_change;         /* the same without the masks of an organisation */
    const char **roles;           /* (A) "" without an organisation */
    bool decoded, free;           /* in this episode: changes are known, free ones are */
    double slo_attainment, upper_bound; /* of the episode; NaN until its end */
    struct arena names;                 /* of roles; emptied with each episode */
};
/* n_action: choices of a step of the team with the most. */
enum err trajectory_recorder_init(struct trajectory_recorder *t, struct arena *arena,
                                  const struct env_setup *w, int n_action) WARN_UNUSED;

void trajectory_recorder_release(struct trajectory_recorder *t);

/* For episode_run(); a new episode replaces the old one. `t` must stay where it is. */
struct episode_observer trajectory_recorder_observer(struct trajectory_recorder *t);

/* The episode's steps, with the names of the terms; who played is for the caller to say. By
 * reference. */
void trajectory_recorder_fill(struct trajectory_episode *out, const struct trajectory_recorder *t);

#endif
