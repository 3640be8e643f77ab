/* Scenarios: the tables of the configuration and the checks that need more than one value. */
#include "core/scenario/scenario.h"

#include "core/base/nearest.h"
#include "core/plant/plant.h"
#include "core/scenario/schedule.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { KEY_BYTES = CFG_KEY_MAX };

#define KIND_CHOICE_(id, name, unit) {name, id, unit},
static const struct cfg_choice kinds[] = {EVENT_KIND_LIST(KIND_CHOICE_){NULL, 0, NULL}};
#undef KIND_CHOICE_

/* Least and greatest magnitude of each kind; the crash limit is the attacker's of the method. */
static const struct range_cfg magnitude_limits[EVENT_KINDS] = {
    [EVENT_DDOS] = {1.0, 100.0},
    [EVENT_CRASH] = {0.0, 0.2},
    [EVENT_SLOW] = {1.0, 100.0},
    [EVENT_NEIGHBOUR] = {0.0, 0.9},
};

static const struct cfg_field quiet_fields[] = {
    CFG_DOUBLE(struct range_cfg, lo, "300", 1, 1e6, "s", CFG_RESULT, "shortest"),
    CFG_DOUBLE(struct range_cfg, hi, "900", 1, 1e6, "s", CFG_RESULT, "longest"),
    CFG_END,
};
static const struct cfg_field ramp_fields[] = {
    CFG_DOUBLE(struct range_cfg, lo, "30", 0, 1e6, "s", CFG_RESULT, "shortest"),
    CFG_DOUBLE(struct range_cfg, hi, "90", 0, 1e6, "s", CFG_RESULT, "longest"),
    CFG_END,
};
static const struct cfg_field duration_fields[] = {
    CFG_DOUBLE(struct range_cfg, lo, "120", 1, 1e6, "s", CFG_RESULT, "shortest"),
    CFG_DOUBLE(struct range_cfg, hi, "300", 1, 1e6, "s", CFG_RESULT, "longest"),
    CFG_END,
};
static const struct cfg_field magnitude_fields[] = {
    CFG_DOUBLE(struct range_cfg, lo, CFG_REQUIRED, 0, 100, "", CFG_RESULT, "least"),
    CFG_DOUBLE(struct range_cfg, hi, CFG_REQUIRED, 0, 100, "", CFG_RESULT, "greatest"),
    CFG_END,
};

static const struct cfg_field event_fields[] = {
    CFG_ENUM(struct event_cfg, kind, CFG_REQUIRED, kinds, CFG_RESULT, "what happens"),
    CFG_STRING(struct event_cfg, service, "any", CFG_RESULT,
               "target of crash and slow: a name, any (drawn per event) or all"),
    CFG_TABLE(struct event_cfg, quiet_s, quiet_fields, "time without such an event"),
    CFG_TABLE(struct event_cfg, ramp_s, ramp_fields, "rise, and fall"),
    CFG_TABLE(struct event_cfg, duration_s, duration_fields, "from the start to the fall"),
    CFG_TABLE(
        struct event_cfg, magnitude, magnitude_fields,
        "ddos: peak rate / mean; crash: probability a minute; slow: factor; neighbour: share"),
    CFG_END,
};

const struct cfg_field scenario_fields[] = {
    CFG_STRING(struct scenario_cfg, name, CFG_REQUIRED, CFG_RESULT, "name in tables and figures"),
    CFG_LIST(struct scenario_cfg, events, n_events, struct event_cfg, event_fields, "[]", 0,
             SCENARIO_EVENTS_MAX, "generators of events; each alternates quiet and event"),
    CFG_END,
};

/* ---- checks ---- */

/* One generator and where it stands in the file. */
struct place {
    const struct scenario_cfg *scenario;
    const struct event_cfg *event;
    const struct cfg *places;
    const char *key; /* of the scenario */
    int index;       /* of the event */
};

static void member_key(char out[KEY_BYTES], const struct place *p, const char *member)
{
    (void)snprintf(out, KEY_BYTES, "%s.events.%d.%s", p->key, p->index, member);
}

static enum err check_order(const struct place *p, const char *member, const struct range_cfg *r)
{
    if (r->lo <= r->hi) {
        return ERR_OK;
    }
    char key[KEY_BYTES];
    member_key(key, p, member);
    return plant_cfg_error(p->places, key, "lo (%g) is above hi (%g); swap them", r->lo, r->hi);
}

static enum err check_magnitude(const struct place *p)
{
    const struct range_cfg *limits = &magnitude_limits[p->event->kind];
    const struct range_cfg *r = &p->event->magnitude;
    TRY(check_order(p, "magnitude", r));
    if (r->lo >= limits->lo && r->hi <= limits->hi) {
        return ERR_OK;
    }
    char key[KEY_BYTES];
    member_key(key, p, "magnitude");
    return plant_cfg_error(
        p->places, key, "%g to %g is out of range for a %s event: %s, from %g to %g", r->lo, r->hi,
        kinds[p->event->kind].name, kinds[p->event->kind].doc, limits->lo, limits->hi);
}

static enum err check_times(const struct place *p)
{
    TRY(check_order(p, "quiet_s", &p->event->quiet_s));
    TRY(check_order(p, "ramp_s", &p->event->ramp_s));
    TRY(check_order(p, "duration_s", &p->event->duration_s));
    if (p->event->ramp_s.hi <= p->event->duration_s.lo) {
        return ERR_OK;
    }
    char key[KEY_BYTES];
    member_key(key, p, "ramp_s");
    return plant_cfg_error(p->places, key,
                           "the longest rise (%g s) exceeds the shortest duration (%g s), so an "
                           "event could fall before it reaches its magnitude; lower hi",
                           p->event->ramp_s.hi, p->event->duration_s.lo);
}

static bool hits_services(int kind)
{
    return kind == EVENT_CRASH || kind == EVENT_SLOW;
}

static enum err unknown_service(const struct place *p, const struct topology *topology)
{
    const char *name = p->event->service;
    char key[KEY_BYTES];
    member_key(key, p, "service");
    struct nearest near = nearest_to(name);
    nearest_offer(&near, "any");
    nearest_offer(&near, "all");
    for (int s = 0; s < topology->n_services; s++) {
        nearest_offer(&near, topology->cfg->services[s].name);
    }
    const char *word = nearest_word(&near);
    return plant_cfg_error(p->places, key, "'%.80s' is no service, nor any or all%s%s%s", name,
                           word != NULL ? "; did you mean '" : "", word != NULL ? word : "",
                           word != NULL ? "'?" : "");
}

static enum err resolve_service(int *service, const struct place *p,
                                const struct topology *topology)
{
    const char *name = p->event->service;
    bool any = strcmp(name, "any") == 0;
    bool named = !any && strcmp(name, "all") != 0;
    if (!hits_services(p->event->kind)) {
        if (named) {
            char key[KEY_BYTES];
            member_key(key, p, "service");
            return plant_cfg_error(p->places, key,
                                   "a %s event has no service of its own: it hits "
                                   "the %s; remove the key",
                                   kinds[p->event->kind].name,
                                   p->event->kind == EVENT_DDOS ? "entries" : "node");
        }
        *service = SCENARIO_ALL;
        return ERR_OK;
    }
    int found = named ? topology_find(topology, name) : any ? SCENARIO_DRAWN : SCENARIO_ALL;
    if (named && found < 0) {
        return unknown_service(p, topology);
    }
    *service = found;
    return ERR_OK;
}

enum err scenario_init(struct scenario *s, struct arena *arena, const struct scenario_cfg *cfg,
                       const struct workload *workload, const struct topology *topology,
                       const char *key, const struct cfg *places)
{
    int *service = ARENA_NEW(arena, cfg->n_events, int);
    if (service == NULL) {
        return ERR_MEMORY;
    }
    for (int i = 0; i < cfg->n_events; i++) {
        struct place p = {cfg, &cfg->events[i], places, key, i};
        TRY(check_times(&p));
        TRY(check_magnitude(&p));
        TRY(resolve_service(&service[i], &p, topology));
    }
    *s = (struct scenario){cfg, workload, topology, service};
    return ERR_OK;
}

/* Generator i starts its k-th event no sooner than after k shortest events and quiet times. */
enum err scenario_check_length(const struct scenario *s, int n_seconds, const char *key,
                               const struct cfg *places)
{
    double n_events = 0.0;
    for (int i = 0; i < s->cfg->n_events; i++) {
        const struct event_cfg *e = &s->cfg->events[i];
        n_events += 1.0 + floor(n_seconds / (e->quiet_s.lo + e->duration_s.lo + e->ramp_s.lo));
    }
    if (n_events <= SCHEDULE_EVENTS_MAX) {
        return ERR_OK;
    }
    return plant_cfg_error(places, key,
                           "'%s' may draw %g events in an episode of %d s; at most %d are kept: "
                           "raise quiet_s.lo or shorten the episode",
                           s->cfg->name, n_events, n_seconds, SCHEDULE_EVENTS_MAX);
}
