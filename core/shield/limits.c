/* The limits as they are configured, and compiled for a topology. See shield.h. */
#include "core/base/minmax.h"
#include "core/shield/shield_parts.h"

#include <math.h>

const struct cfg_field shield_fields[] = {
    CFG_INT(struct shield_cfg, quota_pods, "0", 0, 1000000, "pods", CFG_RESULT | CFG_LATER,
            "of all services together; 0 = none"),
    CFG_DOUBLE(struct shield_cfg, quota_cpu_m, "0", 0, 1e12, "mcpu", CFG_RESULT | CFG_LATER,
               "CPU requests of all services together; 0 = those of the node"),
    CFG_DOUBLE(struct shield_cfg, quota_ram_mib, "0", 0, 1e12, "MiB", CFG_RESULT | CFG_LATER,
               "memory requests of all services together; 0 = those of the node"),
    CFG_INT(struct shield_cfg, step_out, "6", 1, 10000, "pods", CFG_RESULT | CFG_LATER,
            "largest increase of a service in one decision"),
    CFG_INT(struct shield_cfg, step_in, "3", 1, 10000, "pods", CFG_RESULT | CFG_LATER,
            "largest decrease of a service in one decision"),
    CFG_DOUBLE(struct shield_cfg, stale_s, "30", 0, 86400, "s", CFG_RESULT | CFG_LATER,
               "a value that is older is not believed"),
    CFG_DOUBLE(
        struct shield_cfg, frozen_s, "45", 0, 86400, "s", CFG_RESULT | CFG_LATER,
        "values that have not changed by a bit for this long are not believed; 0 = they are"),
    CFG_DOUBLE(struct shield_cfg, hold_s, "60", 0, 86400, "s", CFG_RESULT | CFG_LATER,
               "without metrics nothing is written for this long"),
    CFG_DOUBLE(
        struct shield_cfg, floor_load, "0.5", 0, 1, "", CFG_RESULT | CFG_LATER,
        "share of the largest load the cluster bears: what the safe floor of replicas bears, "
        "towards which a service without metrics grows"),
    CFG_DOUBLE(struct shield_cfg, utilisation, "0.95", 0.01, 1, "", CFG_RESULT | CFG_LATER,
               "capacity is added when the measured load would exceed this utilisation"),
    CFG_DOUBLE(struct shield_cfg, scale_in_utilisation, "0.9", 0.01, 1, "", CFG_RESULT | CFG_LATER,
               "a decrease must leave the utilisation below this over the actuation lag"),
    CFG_DOUBLE(struct shield_cfg, actuation_s, "45", 1, 86400, "s", CFG_RESULT | CFG_LATER,
               "from a measurement to ready pods: lag, decision period, start-up"),
    CFG_DOUBLE(struct shield_cfg, confidence, "0.99", 0.5, 0.999999, "", CFG_RESULT | CFG_LATER,
               "of the bounds of load, capacity and backlog together"),
    CFG_DOUBLE(struct shield_cfg, arrival_scv, "1", 0, 1000, "", CFG_RESULT | CFG_LATER,
               "squared coefficient of variation of the times between arrivals; 1 = Poisson"),
    CFG_DOUBLE(struct shield_cfg, service_scv, "1", 0, 1000, "", CFG_RESULT | CFG_LATER,
               "the same of the service times; 1 = exponential"),
    CFG_INT(struct shield_cfg, flips_max, "16", 2, SHIELD_FLIPS_MAX, "", CFG_RESULT | CFG_LATER,
            "changes of direction of a service in flap_window_s"),
    CFG_DOUBLE(struct shield_cfg, flap_window_s, "3600", 1, 604800, "s", CFG_RESULT | CFG_LATER,
               "window of flips_max"),
    CFG_DOUBLE(struct shield_cfg, cooldown_s, "120", 0, 86400, "s", CFG_RESULT | CFG_LATER,
               "nothing is written for this long after somebody else changed the replicas"),
    CFG_DOUBLE(struct shield_cfg, disruption, "0.5", 0.01, 1, "", CFG_RESULT | CFG_LATER,
               "share of a service's pods, rounded up, that may be unavailable at once"),
    CFG_END,
};

const char *const shield_invariant_names[SHIELD_INVARIANTS] = {
    "budget", "bounds", "step", "freshness", "capacity", "flaps", "cooldown", "disruption"};

#define INFO_(id, name_, invariant_, doc_) {.name = name_, .doc = doc_, .invariant = invariant_},
const struct shield_reason_info shield_reason_info[SHIELD_REASONS] = {SHIELD_REASON_LIST(INFO_)};
#undef INFO_

/* The pods that bear floor_load of critical_rps at `utilisation`, within the replica bounds. */
static enum err init_floor(struct shield *s, struct arena *arena)
{
    const struct topology *t = s->topology;
    int *floor = ARENA_NEW(arena, t->n_services, int);
    TRY(arena_error(arena));
    for (int i = 0; i < t->n_services; i++) {
        const struct service_cfg *c = &t->cfg->services[i];
        const double rate = t->visits[i] * s->cfg->floor_load * t->critical_rps;
        const double pods = ceil(rate / (s->cfg->utilisation * t->pod_rps[i]));
        floor[i] = pods < c->min_replicas   ? c->min_replicas
                   : pods > c->max_replicas ? c->max_replicas
                                            : (int)pods;
    }
    s->floor = floor;
    return ERR_OK;
}

static bool is_quota(double quota, double node)
{
    return quota > 0.0 && quota < node;
}

/* A quota below min_replicas of all services would forbid every increase for ever. */
static enum err check_quotas(const struct shield_cfg *cfg, const struct topology *topology,
                             const struct cfg *src_locs)
{
    static const char *const keys[3] = {"shield.quota_pods", "shield.quota_cpu_m",
                                        "shield.quota_ram_mib"};
    const double quota[3] = {cfg->quota_pods, cfg->quota_cpu_m, cfg->quota_ram_mib};
    double need[3] = {0};
    for (int i = 0; i < topology->n_services; i++) {
        const struct service_cfg *c = &topology->cfg->services[i];
        need[0] += c->min_replicas;
        need[1] += c->min_replicas * c->cpu_m;
        need[2] += c->min_replicas * c->ram_mib;
    }
    for (int k = 0; k < 3; k++) {
        if (quota[k] > 0.0 && quota[k] < need[k]) {
            return plant_cfg_error(src_locs, keys[k],
                                   "%g is less than min_replicas of all services ask for (%g), so "
                                   "no service could ever grow; set it to at least that, or to 0 "
                                   "for none",
                                   quota[k], need[k]);
        }
    }
    return ERR_OK;
}

enum err shield_init(struct shield *s, struct arena *arena, const struct shield_cfg *cfg,
                     const struct topology *topology, const struct plant_cfg *plant,
                     const struct cfg *src_locs)
{
    const struct topology_cfg *node = topology->cfg;
    *s = (struct shield){.cfg = cfg,
                         .topology = topology,
                         .n_services = topology->n_services,
                         .step_out = cfg->step_out,
                         .step_in = cfg->step_in,
                         .lag_s = plant->lag_s,
                         .window_s = plant->window_s,
                         .answer_s = plant->latency_max_ms / 1000.0,
                         .quota_cpu = is_quota(cfg->quota_cpu_m, node->node_cpu_m),
                         .quota_ram = is_quota(cfg->quota_ram_mib, node->node_ram_mib)};
    s->cpu_max_m = s->quota_cpu ? cfg->quota_cpu_m : node->node_cpu_m;
    s->ram_max = s->quota_ram ? cfg->quota_ram_mib : node->node_ram_mib;
    if (cfg->stale_s < plant->lag_s) {
        return plant_cfg_error(src_locs, "shield.stale_s",
                               "%g s: every value is older than that, since metrics lag by %g s "
                               "(plant.lag_s); set it above",
                               cfg->stale_s, plant->lag_s);
    }
    if (cfg->scale_in_utilisation > cfg->utilisation) {
        return plant_cfg_error(src_locs, "shield.scale_in_utilisation",
                               "%g is above shield.utilisation (%g), so what a decrease leaves "
                               "would be added again; set it to at most that",
                               cfg->scale_in_utilisation, cfg->utilisation);
    }
    TRY(check_quotas(cfg, topology, src_locs));
    bound_level_init(&s->level, cfg->confidence);
    return init_floor(s, arena);
}

void shield_bound_steps(struct shield *s, int most)
{
    if (most > 0) {
        s->step_out = int_min(s->step_out, most);
        s->step_in = int_min(s->step_in, most);
    }
}
