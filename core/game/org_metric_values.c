/* Names and meanings, from the list of org_metric_values.h. */
#include "core/game/org_metric_values.h"

#define ORG_METRIC_INFO_(name, doc) {#name, doc},
const struct org_metric_info org_metric_info[ORG_METRIC_COUNT] = {
    ORG_METRIC_LIST(ORG_METRIC_INFO_)};
#undef ORG_METRIC_INFO_
