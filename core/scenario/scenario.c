/* Scenarios: the tables of the configuration, and a scenario made from them. */
#include "core/scenario/scenario.h"

#include "core/plant/plant.h"

#define KIND_INFO_(id, name, hits, neutral, lo, hi, unit) {name, unit, hits, neutral, lo, hi},
const struct event_kind_info event_kind_info[EVENT_KINDS] = {EVENT_KIND_LIST(KIND_INFO_)};
#undef KIND_INFO_

#define KIND_CHOICE_(id, name, hits, neutral, lo, hi, unit) {name, id, unit},
static const struct cfg_choice kinds[] = {EVENT_KIND_LIST(KIND_CHOICE_){NULL, 0, NULL}};
#undef KIND_CHOICE_

#define RANGE_FIELDS(table, def_lo, def_hi, min, max, unit)                                        \
    static const struct cfg_field table[] = {                                                      \
        CFG_DOUBLE(struct range_cfg, lo, def_lo, min, max, unit, CFG_RESULT, "least"),             \
        CFG_DOUBLE(struct range_cfg, hi, def_hi, min, max, unit, CFG_RESULT, "greatest"),          \
        CFG_END,                                                                                   \
    }
RANGE_FIELDS(quiet_fields, "300", "900", 1, 1e6, "s");
RANGE_FIELDS(ramp_fields, "30", "90", 0, 1e6, "s");
RANGE_FIELDS(duration_fields, "120", "300", 1, 1e6, "s");
RANGE_FIELDS(magnitude_fields, CFG_REQUIRED, CFG_REQUIRED, 0, 100, "");
RANGE_FIELDS(on_fields, "60", "120", 1, 1e6, "s");
RANGE_FIELDS(off_fields, "60", "330", 1, 1e6, "s");
RANGE_FIELDS(hold_fields, "5", "15", 0.1, 3600, "s");
RANGE_FIELDS(rate_fields, "0.1", "0.3", 0, 100, "");
RANGE_FIELDS(delay_fields, "10", "60", 0, 1e6, "s");

static const struct cfg_field event_fields[] = {
    CFG_ENUM(struct event_cfg, kind, CFG_REQUIRED, kinds, CFG_RESULT, "what happens"),
    CFG_STRING(struct event_cfg, name, "", CFG_RESULT, "for follow; empty = none"),
    CFG_STRING(struct event_cfg, service, "any", CFG_RESULT,
               "target of crash, slow and crash_all, caller of net_loss: a name, any (drawn per "
               "event) or all"),
    CFG_STRING(struct event_cfg, callee, "any", CFG_RESULT, "called service of net_loss: likewise"),
    CFG_TABLE(struct event_cfg, quiet_s, quiet_fields, "time without such an event"),
    CFG_TABLE(struct event_cfg, ramp_s, ramp_fields, "rise, and fall"),
    CFG_TABLE(struct event_cfg, duration_s, duration_fields, "from the start to the fall"),
    CFG_TABLE(struct event_cfg, magnitude, magnitude_fields,
              "how much, in the unit of the kind (see kind)"),
    CFG_TABLE(struct event_cfg, on_s, on_fields, "of yoyo: from a rise to the fall"),
    CFG_TABLE(struct event_cfg, off_s, off_fields, "of yoyo: from a fall to the next rise"),
    CFG_TABLE(struct event_cfg, hold_s, hold_fields, "of loris: a connection holds its slot"),
    CFG_TABLE(struct event_cfg, rate, rate_fields,
              "of cost: requests of the attacker / the workload's mean"),
    CFG_STRING(struct event_cfg, follow, "", CFG_RESULT,
               "name or index of a generator before this one, whose events trigger those of this "
               "one (quiet_s is not used); empty = none"),
    CFG_TABLE(struct event_cfg, delay_s, delay_fields,
              "of a follower: from the start of the leader's event"),
    CFG_DOUBLE(struct event_cfg, probability, "1", 0, 1, "", CFG_RESULT,
               "of a follower: that an event of the leader is followed"),
    CFG_END,
};

const struct cfg_field scenario_fields[] = {
    CFG_STRING(struct scenario_cfg, name, CFG_REQUIRED, CFG_RESULT, "name in tables and figures"),
    CFG_LIST(struct scenario_cfg, events, n_events, struct event_cfg, event_fields, "[]", 0,
             SCENARIO_EVENTS_MAX, "generators of events; each alternates quiet and event"),
    CFG_END,
};

enum err scenario_init(struct scenario *s, struct arena *arena, const struct scenario_cfg *cfg,
                       const struct workload *workload, const struct topology *topology,
                       const char *key, const struct cfg *src_locs)
{
    struct scenario_target *targets = ARENA_NEW(arena, cfg->n_events, struct scenario_target);
    TRY(arena_error(arena));
    for (int i = 0; i < cfg->n_events; i++) {
        struct scenario_src_loc p = {cfg, &cfg->events[i], src_locs, key, i};
        TRY(scenario_check_event(&p));
        TRY(scenario_resolve(&targets[i], &p, topology));
    }
    *s = (struct scenario){cfg, workload, topology, targets};
    return ERR_OK;
}
