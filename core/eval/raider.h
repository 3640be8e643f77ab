/* A trained attacker that plays as it is: the same view, masks and interface as in training.
 *
 * Its choices are drawn from its policy, as in training: a strategy against controllers that react
 * to it may have to be mixed. The draws are a function of the episode's identity.
 */
#ifndef KARMA_EVAL_RAIDER_H
#define KARMA_EVAL_RAIDER_H

#include "core/game/attacker_interface.h"
#include "core/marl/team.h"

struct raider;

/* By reference; team->number keeps its draws apart from those of a team of defenders. */
enum err raider_new(struct raider **out, struct arena *arena,
                    const struct attacker_interface *attacker, const struct team *team) WARN_UNUSED;

/* What it was made with. */
const struct attacker_interface *raider_interface(const struct raider *r);

/* The environment sight->lid of sight->plant stands at the first decision of the episode. */
void raider_begin(struct raider *r, const struct episode_id *id, const struct sight *sight);
/* Its action at this decision, and what follows it: the new state is there. */
void raider_act(struct raider *r, struct attack_action *out, const struct sight *sight);
void raider_observe(struct raider *r, const struct sight *sight);

#endif
