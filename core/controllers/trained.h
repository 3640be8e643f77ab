/* Where the policies of a method come from: the first parameters of every kind that needs a policy.
 *
 *     struct my_params {
 *         struct trained_cfg trained;
 *         int mode;
 *     };
 *     static const struct cfg_field fields[] = {TRAINED_FIELDS, CFG_ENUM(struct my_params, ...
 */
#ifndef KARMA_CONTROLLERS_TRAINED_H
#define KARMA_CONTROLLERS_TRAINED_H

#include "core/controllers/controller.h"

struct trained_cfg {
    const char **
        policies; /* run directories, one per training seed; ./RUN: beside the file; none = the run's own */
    int n_policies;
    /* The training that makes them; for the check, and for advice */
    const char *training; /* its configuration; "" = not said */
    const char **settings;
    int n_settings; /* --set of the training */
    uint64_t *seeds;
    int n_seeds;       /* train.seed of each policy; none = not said */
    double cost;       /* weight it acts for, where the training drew it; TRAINED_COST_OF_PLANT */
    const char *sweep; /* it is a point of the frontier of that name; "" or NULL = of none */
};

enum { TRAINED_COST_OF_PLANT = -1 }; /* plant.cost_weight */

/* Rows of a struct that begins with a struct trained_cfg. */
#define TRAINED_FIELDS                                                                             \
    CFG_LIST_STRING(struct trained_cfg, policies, n_policies, "[]", 0, 1000, CFG_RESULT,           \
                    "run directories, one per training seed; none = the run's own"),               \
        CFG_PATH(struct trained_cfg, training, "", CFG_OUTPUT,                                     \
                 "configuration they were trained with; another policy is refused; empty = any"),  \
        CFG_LIST_STRING(struct trained_cfg, settings, n_settings, "[]", 0, 64, CFG_OUTPUT,         \
                        "what --set added to that configuration, KEY=VALUE each"),                 \
        CFG_LIST_UINT64(struct trained_cfg, seeds, n_seeds, "[]", 0, 1000, CFG_OUTPUT,             \
                        "train.seed of each of policies; none = any"),                             \
        CFG_DOUBLE(struct trained_cfg, cost, "-1", -1, 10, "", CFG_RESULT | CFG_LATER,             \
                   "cost weight to act for, of a policy with train.cost: conditioned; -1 = "       \
                   "plant.cost_weight"),                                                           \
        CFG_STRING(struct trained_cfg, sweep, "", CFG_OUTPUT | CFG_LATER,                          \
                   "policies of the same sweep, such as trainings with several weights of the "    \
                   "cost, form a frontier; empty = of none")

/* The weight as a number. */
static inline double trained_cost(const struct trained_cfg *cfg, const struct plant_cfg *plant)
{
    return cfg->cost < 0.0 ? plant->cost_weight : cfg->cost;
}

/* Of a kind that needs a policy; NULL of any other. */
static inline const struct trained_cfg *controller_trained(const struct controller_cfg *cfg)
{
    return controller_needs(cfg, CONTROLLER_NEEDS_POLICY) ? cfg->method.params : NULL;
}

#endif
