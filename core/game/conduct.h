/* Conduct: how the agents of an organisation kept to it, and how their missions fared, in one
 * episode. An account like plant/episode_metrics.h, of each agent.
 *
 * The organisation may be that under which a team plays, or one that a controller is measured by
 * and knows nothing of: rules and teams without roles are judged by their changes as well.
 *
 * A *window* is CONDUCT_WINDOW decisions long. It begins where none is under way, the agent may
 * change something, and its missions are worth less than nothing (guides_progress() < 0); it is
 * improved if they are worth more at its end. Windows that the episode cuts do not count.
 * improved / windows says something only beside the same of doing nothing and of choosing at random
 * inside the masks: what gets better by itself gets better under them, too.
 */
#ifndef KARMA_GAME_CONDUCT_H
#define KARMA_GAME_CONDUCT_H

#include "core/game/conduct_values.h"
#include "core/game/rules.h"

enum { CONDUCT_WINDOW = 4 }; /* decisions: a minute */

struct conduct_agent {
    struct conduct_values sum;
    double begun; /* progress at the start of the window */
    int age;      /* decisions since then; -1: none under way */
    bool open;    /* at this decision it may change something */
};
struct conduct {
    struct conduct_agent *agents; /* (n_agents) of the organisation */
    int n_agents, n_decisions;
};
enum err conduct_init(struct conduct *c, struct arena *arena, const struct guides *g) WARN_UNUSED;
void conduct_clear(struct conduct *c);

/* A decision: what r->guides allow in m, updated with its state. Once each, before the following
 * of that decision. */
void conduct_decide(struct conduct *c, const struct rules *r, const struct guides_memory *m,
                    const float *state);
/* What an agent (of the organisation) chose, and would have chosen without a mask. Of agents that
 * are not judged nothing is counted. */
void conduct_choice(struct conduct *c, int agent, bool inside, bool inside_free);
void conduct_reward(struct conduct *c, int agent, const struct guides_reward *reward);

/* (n_agents) the episode's; after one decision at least. */
void conduct_finish(struct conduct_values *out, const struct conduct *c);

#endif
