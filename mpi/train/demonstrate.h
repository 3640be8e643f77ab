/* Demonstrations: the rule that a team imitates before it learns, one controller per environment.
 */
#ifndef KARMA_TRAIN_DEMONSTRATE_H
#define KARMA_TRAIN_DEMONSTRATE_H

#include "core/base/mem.h"
#include "core/controllers/controller.h"
#include "core/game/game.h"
#include "core/game/rules.h"

struct demonstrations;

/* Controllers for n_tiles tiles of the rule `rule`. */
enum err demonstrations_init(struct demonstrations **out, struct arena *arena,
                             const struct controller_cfg *rule, const struct rules *rules,
                             int n_tiles) WARN_UNUSED;

/* For tile i, counted among mine. */
const struct demonstrator *demonstrations_tile(struct demonstrations *d, int i);

#endif
