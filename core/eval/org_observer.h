/* An observer of episodes that computes the organisational metrics of a controller
 * (game/org_metrics.h).
 *
 * A team that has an organisation is measured against its own. All others are measured against that
 * of the experiment, if it has one: a team without roles agent by agent, by name; rules only by the
 * progress of the missions while they act, which is what a team's numbers must be compared with.
 */
#ifndef KARMA_EVAL_ORG_OBSERVER_H
#define KARMA_EVAL_ORG_OBSERVER_H

#include "core/eval/episode.h"
#include "core/game/org_metrics.h"

struct org_observer {
    struct rules rules; /* a copy: heads of the team, guides of the organisation */
    bool on;            /* there is an organisation */
    const int
        *agent_of; /* (agents of the organisation) the team's number of it; -1: not measured */
    struct guides_memory memory;
    struct org_metrics org_metrics;
    float *state;       /* (n_state) of the decision under way */
    bool acts, is_free; /* in this episode: a team; its choice without masks is known */
};

/* team: the rules a team plays by, NULL for a rule. experiment: its rules. By reference. */
enum err org_observer_init(struct org_observer *j, struct arena *arena, const struct rules *team,
                           const struct rules *experiment) WARN_UNUSED;

/* Agents that are measured; 0 without an organisation. */
int org_observer_n_agents(const struct org_observer *j);
const char *org_observer_agent_name(const struct org_observer *j, int agent);

/* For episode_run(). `j` must stay where it is. */
struct episode_observer org_observer_callbacks(struct org_observer *j);

/* (org_observer_n_agents()) of the episode that was observed; what is not measured is NaN. */
void org_observer_finish(struct org_metric_values *out, const struct org_observer *j);

#endif
