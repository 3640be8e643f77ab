/* Names and meanings, from the list of conduct_values.h. */
#include "core/game/conduct_values.h"

#define CONDUCT_INFO_(name, doc) {#name, doc},
const struct conduct_info conduct_info[CONDUCT_COUNT] = {CONDUCT_LIST(CONDUCT_INFO_)};
#undef CONDUCT_INFO_
