/* A rule inside another controller: `rule: {khpa: {target: 0.5}}`. */
#ifndef KARMA_CONTROLLERS_RULE_H
#define KARMA_CONTROLLERS_RULE_H

#include "core/controllers/controller.h"

/* A method as a part of something else: the rule that is imitated, explored or carried out. */
struct controller_rule {
    struct cfg_one method; /* none, if the row that holds it allows that */
};

/* Tables of a struct controller_rule, for a CFG_TABLE; by default it is khpa, ff, none. */
extern const struct cfg_field controller_rule_khpa[];
extern const struct cfg_field controller_rule_ff[];
extern const struct cfg_field controller_rule_none[];

/* controller_cfg_check() of a rule, which may need no more than `allowed` (enum controller_needs).
 * One that was not chosen passes. */
enum err controller_rule_check(const char *label, const struct controller_rule *rule,
                               unsigned allowed, const struct topology_cfg *topology) WARN_UNUSED;

/* The rule as a controller, for the one that is set up; *out NULL if none was chosen. Whoever holds
 * it adds its `needs` to its own. Errors as controller_new(). */
enum err controller_rule_new(struct controller **out, struct arena *arena,
                             const struct controller_rule *rule,
                             const struct controller_setup *setup) WARN_UNUSED;

#endif
