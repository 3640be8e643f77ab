/* What is counted of an agent's conduct (conduct.h): fields, names, meaning. Its own header,
 * because the rules name these numbers and conduct.h is written in terms of rules.
 */
#ifndef KARMA_GAME_CONDUCT_VALUES_H
#define KARMA_GAME_CONDUCT_VALUES_H

/*    field        meaning; means over decisions but windows and improved */
#define CONDUCT_LIST(X)                                                                            \
    X(open, "share of decisions at which it might change something")                               \
    X(inside, "share at which it might, and chose what its roles allow")                           \
    X(outside, "share at which it chose what its roles do not allow")                              \
    X(size, "changes that its roles and the bounds allow, no change included")                     \
    X(chance, "size over all changes that the bounds allow, where it might change something, "     \
              "else 0")                                                                            \
    X(mission, "its missions in the reward")                                                       \
    X(bonus, "goals achieved in the reward")                                                       \
    X(penalty, "choices outside in the reward")                                                    \
    X(windows, "windows in the episode")                                                           \
    X(improved, "of these improved")                                                               \
    X(inside_free, "as inside, for the most probable choice without a mask; evaluation only")

struct conduct_values {
#define CONDUCT_FIELD_(name, doc) double name;
    CONDUCT_LIST(CONDUCT_FIELD_)
#undef CONDUCT_FIELD_
};
enum { CONDUCT_COUNT = sizeof(struct conduct_values) / sizeof(double) };
enum { CONDUCT_TRAINED = CONDUCT_COUNT - 1 }; /* of an episode of training: all but inside_free */
struct conduct_info {
    const char *name, *doc;
};
extern const struct conduct_info conduct_info[CONDUCT_COUNT]; /* in the order of the struct */

#endif
