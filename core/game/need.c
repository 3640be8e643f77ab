/* The load that is measured, and the load that a pod may have. See need.h. */
#include "core/game/need.h"

#include "core/plant/schema.h"

static const double LOAD_MIN = 0.05;

double need_rate(const float *state, int n_services)
{
    const double now = (double)state[state_global_at(n_services, GF_ENTRY_5S)];
    const double mean = (double)state[state_global_at(n_services, GF_ENTRY_10S)];
    return now > mean ? now : mean;
}

double need_load_max(double pod_rps, double utilisation, double response_s)
{
    const double bound = 1.0 - 1.0 / (pod_rps * response_s);
    const double load = bound < utilisation ? bound : utilisation;
    return load > LOAD_MIN ? load : LOAD_MIN;
}
