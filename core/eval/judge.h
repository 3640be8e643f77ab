/* The judge: an observer that measures how a controller keeps to an organisation (game/conduct.h).
 *
 * A team that has an organisation is judged by its own. All others are judged by that of the
 * experiment, if it has one: a team without roles agent by agent, by name; rules only by how the
 * missions fare while they act, which is what a team's numbers must be compared with.
 */
#ifndef KARMA_EVAL_JUDGE_H
#define KARMA_EVAL_JUDGE_H

#include "core/eval/episode.h"
#include "core/game/conduct.h"

struct judge {
    struct rules rules;  /* a copy: heads of the team, guides of the organisation */
    bool on;             /* there is an organisation */
    const int *agent_of; /* (agents of the organisation) the team's number of it; -1: not judged */
    struct guides_memory memory;
    struct conduct conduct;
    float *state;       /* (n_state) of the decision under way */
    bool acts, is_free; /* in this episode: a team; its choice without masks is known */
};

/* team: the rules a team plays by, NULL for a rule. experiment: its rules. By reference. */
enum err judge_init(struct judge *j, struct arena *arena, const struct rules *team,
                    const struct rules *experiment) WARN_UNUSED;

/* Agents that are measured; 0 without an organisation. */
int judge_n_agents(const struct judge *j);
const char *judge_agent_name(const struct judge *j, int agent);

/* For episode_run(). `j` must stay where it is. */
struct episode_observer judge_observer(struct judge *j);

/* (judge_n_agents()) of the episode that was seen; what is not judged is NaN. */
void judge_finish(struct conduct_values *out, const struct judge *j);

#endif
