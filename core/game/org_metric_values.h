/* The organisational metrics of an agent (org_metrics.h): fields, names, meaning. Its own header,
 * because the rules name these numbers and org_metrics.h is written in terms of rules.
 */
#ifndef KARMA_GAME_ORG_METRIC_VALUES_H
#define KARMA_GAME_ORG_METRIC_VALUES_H

/*    field        meaning; means over decisions, but counts of mission_windows, mission_improved */
#define ORG_METRIC_LIST(X)                                                                         \
    X(can_act, "share of decisions at which it might change something")                            \
    X(compliant, "share at which it might, and chose what its roles allow")                        \
    X(violation, "share at which it chose what its roles do not allow")                            \
    X(mask_size, "changes that its roles and the bounds allow, no change included")                \
    X(chance_compliant,                                                                            \
      "mask_size over all changes that the bounds allow, where it might change something, "        \
      "else 0")                                                                                    \
    X(mission, "its missions in the reward")                                                       \
    X(bonus, "goals achieved in the reward")                                                       \
    X(penalty, "choices outside in the reward")                                                    \
    X(mission_windows, "windows in the episode")                                                   \
    X(mission_improved, "of these improved")                                                       \
    X(compliant_unmasked,                                                                          \
      "as compliant, for the most probable choice without a mask; evaluation only")

struct org_metric_values {
#define ORG_METRIC_FIELD_(name, doc) double name;
    ORG_METRIC_LIST(ORG_METRIC_FIELD_)
#undef ORG_METRIC_FIELD_
};
enum { ORG_METRIC_COUNT = sizeof(struct org_metric_values) / sizeof(double) };
enum {
    ORG_METRIC_TRAINED = ORG_METRIC_COUNT - 1
}; /* of an episode of training: all but compliant_unmasked */
struct org_metric_info {
    const char *name, *doc;
};
extern const struct org_metric_info
    org_metric_info[ORG_METRIC_COUNT]; /* in the order of the struct */

#endif
