/* Organisational metrics: how the agents of an organisation complied with it in one episode, and
 * how their missions developed. An account like plant/episode_metrics.h, of each agent.
 *
 * The organisation may be that under which a team plays, or one that a controller is measured by
 * and knows nothing of: rules and teams without roles are measured by their changes as well.
 *
 * A *window* is MISSION_WINDOW decisions long. It begins where none is under way, the agent may
 * change something, and its missions are worth less than nothing (guides_progress() < 0); it is
 * improved if they are worth more at its end. Windows that the episode cuts do not count.
 * mission_improved / mission_windows says something only beside the same of doing nothing and of
 * choosing at random inside the masks: what gets better by itself gets better under them, too.
 */
#ifndef KARMA_GAME_ORG_METRICS_H
#define KARMA_GAME_ORG_METRICS_H

#include "core/game/org_metric_values.h"
#include "core/game/rules.h"

enum { MISSION_WINDOW = 4 }; /* decisions: a minute */

struct org_metrics_agent {
    struct org_metric_values sum;
    double begun; /* progress at the start of the window */
    int age;      /* decisions since then; -1: none under way */
    bool can_act; /* at this decision it may change something */
};
struct org_metrics {
    struct org_metrics_agent *agents; /* (n_agents) of the organisation */
    int n_agents, n_decisions;
};
enum err org_metrics_init(struct org_metrics *c, struct arena *arena,
                          const struct guides *g) WARN_UNUSED;
void org_metrics_clear(struct org_metrics *c);

/* A decision: what r->guides allow in m, updated with its state. Once each, before the following
 * of that decision. */
void org_metrics_decide(struct org_metrics *c, const struct rules *r, const struct guides_memory *m,
                        const float *state);
/* What an agent (of the organisation) chose, and would have chosen without a mask. Of agents that
 * are not measured nothing is counted. */
void org_metrics_choice(struct org_metrics *c, int agent, bool compliant, bool compliant_unmasked);
void org_metrics_reward(struct org_metrics *c, int agent, const struct guides_reward *reward);

/* (n_agents) the episode's; after one decision at least. */
void org_metrics_finish(struct org_metric_values *out, const struct org_metrics *c);

#endif
