/* Constructors of the methods; controller.c chooses by kind. Contracts as controller_new(). */
#ifndef KARMA_CONTROLLERS_INTERNAL_H
#define KARMA_CONTROLLERS_INTERNAL_H

#include "core/controllers/controller.h"
#include "core/controllers/staffing.h"

enum err nothing_new(struct controller **out, struct arena *arena, const struct world *world);
enum err static_new(struct controller **out, struct arena *arena, const struct controller_cfg *cfg,
                    const struct world *world);
enum err khpa_new(struct controller **out, struct arena *arena, const struct controller_cfg *cfg,
                  const struct world *world);
/* Of a controller that is or contains this rule. */
enum err khpa_cfg_check(const struct controller_cfg *cfg, const struct topology_cfg *topology);
enum err ff_new(struct controller **out, struct arena *arena, const struct controller_cfg *cfg,
                const struct world *world);
enum err oracle_new(struct controller **out, struct arena *arena, const struct controller_cfg *cfg,
                    const struct world *world);
enum err policy_new(struct controller **out, struct arena *arena, const struct controller_cfg *cfg,
                    const struct world *world, const struct rules *rules, const struct team *team);
enum err scripted_new(struct controller **out, struct arena *arena,
                      const struct controller_cfg *cfg, const struct world *world,
                      const struct rules *rules);
enum err explore_new(struct controller **out, struct arena *arena, const struct controller_cfg *cfg,
                     const struct world *world);

/* Replicas asked for so far, as the state shows them. */
int controller_desired(const float *state, int service);
int controller_clip(const struct world *world, int service, int replicas);
/* The promise that ff and oracle staff for. */
struct staffing_rule controller_staffing(const struct controller_cfg *cfg,
                                         const struct world *world);

#endif
