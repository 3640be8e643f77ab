/* Names, units and meanings of the state's features: the list of the header as arrays. */
#include "core/plant/schema.h"

#define FEATURE_INFO_(id, name, unit, obs, paper, doc) {name, unit, doc, obs, paper},
const struct feature_info service_feature_info[SERVICE_FEATURES] = {
    SERVICE_FEATURE_LIST(FEATURE_INFO_)};
const struct feature_info global_feature_info[GLOBAL_FEATURES] = {
    GLOBAL_FEATURE_LIST(FEATURE_INFO_)};
#undef FEATURE_INFO_
