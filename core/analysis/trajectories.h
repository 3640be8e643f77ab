/* What a team did, episode by episode, as evaluations recorded it (RUN/trajectories.bin,
 * eval.trajectories: all).
 *
 * A *set* holds the episodes of one controller of eval.controllers, from one or many runs: of all
 * scenarios and of all training seeds. Their services, columns of the state, agents and terms of
 * the reward are the same; runs that differ in one of them are no set. Episodes stand in the order
 * of the runs and, in each, of the file. Everything points into the arena of the reader.
 *
 * A *trajectory* is what one agent did in one episode; trajectory number i of a set is that of
 * agent i % n_agents in episode i / n_agents.
 */
#ifndef KARMA_ANALYSIS_TRAJECTORIES_H
#define KARMA_ANALYSIS_TRAJECTORIES_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct analysed_episode {
    int run; /* index of the directory it is from */
    const char *scenario, *split;
    uint64_t policy, train_seed; /* 0 for a team that was not trained */
    uint64_t seed, cell_digest;
    uint32_t episode;      /* equal (split, seed, scenario, episode): the same load and faults */
    int n_steps;           /* T */
    const float *state;    /* (T + 1, n_columns); row t is what decision t saw */
    const int32_t *delta;  /* (T, n_services) executed change of desired replicas */
    const int32_t *action; /* (T, n_agents, n_choices) the choices as numbers of the policy */
    const int32_t *change; /* (T, n_agents, n_services) the change that each agent asked for */
    const int32_t *free_change; /* the same without masks of roles; NULL: not known */
    const double *reward;       /* (T, n_terms) */
    double slo_attainment;      /* NaN: no request was received */
    double upper_bound;         /* that no controller can exceed in this episode; NaN: not known */
};

struct trajectory_set {
    const char *controller;      /* its name in eval.controllers */
    const char *const *runs;     /* (n_runs) directories, as given to the reader */
    const char *const *services; /* (n_services) */
    const char *const *columns;  /* (n_columns) of the state: "a.queue", "entry_10s" */
    const char *const *agents;   /* (n_agents) */
    const char *const *roles;    /* (n_agents) assigned roles, joined by '+'; without an
                                    organisation the name of the agent */
    const char *const *terms;    /* (n_terms) of the reward; the last one is the reward */
    double period_s;             /* from one decision to the next */
    int n_runs, n_services, n_columns, n_agents, n_terms, n_choices;
    bool organised; /* roles are those of an organisation */
    struct analysed_episode *episodes;
    int n_episodes;
};

/* The sets of all runs (n_runs directories, or files of trajectories), in the order in which their
 * controllers first appear. Controllers without agents are left out. `only`: the one set of this
 * controller; NULL: all. `arena` keeps the sets.
 *
 * Refused with a sentence that names the file: one that is missing (with the setting that writes
 * it), torn or damaged, or of frames of another kind or a newer version; episodes that were
 * recorded by a version that kept no changes of agents; runs of one controller whose schemas
 * differ; the same episode twice; no team at all. ERR_IO, ERR_FORMAT, ERR_VERSION, ERR_MISMATCH,
 * ERR_USAGE (no such controller), ERR_MEMORY. */
enum err trajectory_sets_read(struct trajectory_set **sets, int *n_sets, struct arena *arena,
                              const char *const *runs, int n_runs, const char *only) WARN_UNUSED;

/* What the sets would take, without holding more than one episode at a time: the bytes of the
 * arena, and sizes of the sets, each the largest of any set. Refuses what trajectory_sets_read()
 * refuses. */
struct trajectory_sizes {
    size_t bytes;
    int n_sets;
    int n_trajectories, n_episodes;
    int n_steps; /* of the longest episode */
    int n_services, n_agents;
};
enum err trajectory_sets_measure(struct trajectory_sizes *out, const char *const *runs, int n_runs,
                                 const char *only) WARN_UNUSED;

/* Index of a column "FEATURE" or "SERVICE.FEATURE", -1 if there is none. service: -1 for a global
 * feature. */
int trajectory_column(const struct trajectory_set *s, int service, const char *feature);

static inline int trajectory_count(const struct trajectory_set *s)
{
    return s->n_episodes * s->n_agents;
}

/* The changes (n_services) that an agent asked for at decision t. */
static inline const int32_t *trajectory_change(const struct trajectory_set *s, int episode,
                                               int agent, int t)
{
    return s->episodes[episode].change + ((ptrdiff_t)t * s->n_agents + agent) * s->n_services;
}

static inline const float *trajectory_state(const struct trajectory_set *s, int episode, int t)
{
    return s->episodes[episode].state + (ptrdiff_t)t * s->n_columns;
}

#endif
