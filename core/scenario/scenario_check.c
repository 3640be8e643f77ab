/* What more than one value of a generator must agree on, and what its names mean. */
#include "core/base/nearest.h"
#include "core/base/number.h"
#include "core/plant/plant.h"
#include "core/scenario/scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES = CFG_KEY_MAX };

static void member_key(char out[KEY_BYTES], const struct scenario_src_loc *p, const char *member)
{
    (void)snprintf(out, KEY_BYTES, "%s.events.%d.%s", p->key, p->index, member);
}

/* ---- ranges ---- */

static enum err check_order(const struct scenario_src_loc *p, const char *member,
                            const struct range_cfg *r)
{
    if (r->lo <= r->hi) {
        return ERR_OK;
    }
    char key[KEY_BYTES];
    member_key(key, p, member);
    return plant_cfg_error(p->src_locs, key, "lo (%g) is above hi (%g); swap them", r->lo, r->hi);
}

static enum err check_orders(const struct scenario_src_loc *p)
{
    const struct event_cfg *e = p->event;
    TRY(check_order(p, "quiet_s", &e->quiet_s));
    TRY(check_order(p, "ramp_s", &e->ramp_s));
    TRY(check_order(p, "duration_s", &e->duration_s));
    TRY(check_order(p, "magnitude", &e->magnitude));
    TRY(check_order(p, "on_s", &e->on_s));
    TRY(check_order(p, "off_s", &e->off_s));
    TRY(check_order(p, "hold_s", &e->hold_s));
    TRY(check_order(p, "rate", &e->rate));
    return check_order(p, "delay_s", &e->delay_s);
}

static enum err check_magnitude(const struct scenario_src_loc *p)
{
    const struct event_kind_info *kind = &event_kind_info[p->event->kind];
    const struct range_cfg *r = &p->event->magnitude;
    if (r->lo >= kind->least && r->hi <= kind->greatest) {
        return ERR_OK;
    }
    char key[KEY_BYTES];
    member_key(key, p, "magnitude");
    return plant_cfg_error(p->src_locs, key,
                           "%g to %g is out of range for a %s event: %s, from %g to %g", r->lo,
                           r->hi, kind->name, kind->unit, kind->least, kind->greatest);
}

/* ramp_s must fit into the shortest time that `member` allows. */
static enum err check_ramp(const struct scenario_src_loc *p, const char *member, double shortest_s,
                           const char *what)
{
    if (p->event->ramp_s.hi <= shortest_s) {
        return ERR_OK;
    }
    char key[KEY_BYTES];
    member_key(key, p, "ramp_s");
    return plant_cfg_error(p->src_locs, key,
                           "the longest rise (%g s) exceeds the shortest %s (%g s), so an "
                           "event could %s; lower hi",
                           p->event->ramp_s.hi, member, shortest_s, what);
}

/* Of a yoyo: pulses must be trapezoids that do not overlap, and the first one must fit into the
 * event. */
static enum err check_pulses(const struct scenario_src_loc *p)
{
    const struct event_cfg *e = p->event;
    TRY(check_ramp(p, "on_s", e->on_s.lo, "fall before it reaches its magnitude"));
    TRY(check_ramp(p, "off_s", e->off_s.lo, "rise again before it has fallen"));
    if (e->on_s.hi <= e->duration_s.lo) {
        return ERR_OK;
    }
    char key[KEY_BYTES];
    member_key(key, p, "on_s");
    return plant_cfg_error(p->src_locs, key,
                           "the longest pulse (%g s) exceeds the shortest duration (%g s), so an "
                           "event could end within its first pulse; lower hi or raise duration_s",
                           e->on_s.hi, e->duration_s.lo);
}

enum err scenario_check_event(const struct scenario_src_loc *p)
{
    TRY(check_orders(p));
    TRY(check_magnitude(p));
    if (p->event->kind == EVENT_CRASH_ALL) {
        return ERR_OK; /* an instant */
    }
    TRY(check_ramp(p, "duration", p->event->duration_s.lo, "fall before it reaches its magnitude"));
    return p->event->kind == EVENT_YOYO ? check_pulses(p) : ERR_OK;
}

/* ---- services ---- */

static enum err unknown_service(const struct scenario_src_loc *p, const char *member,
                                const char *name, const struct topology *topology)
{
    char key[KEY_BYTES];
    member_key(key, p, member);
    struct nearest near = nearest_to(name);
    nearest_offer(&near, "any");
    nearest_offer(&near, "all");
    for (int s = 0; s < topology->n_services; s++) {
        nearest_offer(&near, topology->cfg->services[s].name);
    }
    const char *word = nearest_word(&near);
    return plant_cfg_error(p->src_locs, key, "'%.80s' is no service, nor any or all%s%s%s", name,
                           word != NULL ? "; did you mean '" : "", word != NULL ? word : "",
                           word != NULL ? "'?" : "");
}

/* Index, SCENARIO_ALL or SCENARIO_DRAWN. */
static enum err resolve_name(int *out, const struct scenario_src_loc *p, const char *member,
                             const char *name, const struct topology *topology)
{
    if (strcmp(name, "all") == 0) {
        *out = SCENARIO_ALL;
        return ERR_OK;
    }
    int found = strcmp(name, "any") == 0 ? SCENARIO_DRAWN : topology_find(topology, name);
    if (found == -1) {
        return unknown_service(p, member, name, topology);
    }
    *out = found;
    return ERR_OK;
}

static const char *const HIT_NAMES[] = {[HITS_ENTRIES] = "entries",
                                        [HITS_SERVICE] = "service",
                                        [HITS_NODE] = "node",
                                        [HITS_LINK] = "link",
                                        [HITS_MONITOR] = "monitoring system",
                                        [HITS_CLIENTS] = "legitimate clients"};

/* A target that the kind does not have must be left at its default. */
static enum err refuse_target(const struct scenario_src_loc *p, const char *member,
                              const char *name)
{
    if (strcmp(name, "any") == 0 || strcmp(name, "all") == 0) {
        return ERR_OK;
    }
    const struct event_kind_info *kind = &event_kind_info[p->event->kind];
    char key[KEY_BYTES];
    member_key(key, p, member);
    return plant_cfg_error(p->src_locs, key,
                           "a %s event has no %s of its own: it hits the %s; remove the key",
                           kind->name, member, HIT_NAMES[kind->hits]);
}

/* Does any call of the topology fit the target? A negative index stands for every service. So a
 * draw among the fitting calls (schedule.c) always has one to choose from. */
static bool link_exists(const struct scenario_target *t, const struct topology *topology)
{
    for (int s = 0; s < topology->n_services; s++) {
        for (int e = topology->callee_begin[s]; e < topology->callee_begin[s + 1]; e++) {
            if ((t->service < 0 || t->service == s) &&
                (t->callee < 0 || t->callee == topology->callee[e])) {
                return true;
            }
        }
    }
    return false;
}

static enum err resolve_target(struct scenario_target *out, const struct scenario_src_loc *p,
                               const struct topology *topology)
{
    const struct event_cfg *e = p->event;
    enum event_hits hits = event_kind_info[e->kind].hits;
    out->service = out->callee = SCENARIO_ALL;
    if (hits == HITS_SERVICE || hits == HITS_LINK) {
        TRY(resolve_name(&out->service, p, "service", e->service, topology));
    } else {
        TRY(refuse_target(p, "service", e->service));
    }
    if (hits != HITS_LINK) {
        return refuse_target(p, "callee", e->callee);
    }
    TRY(resolve_name(&out->callee, p, "callee", e->callee, topology));
    if (link_exists(out, topology)) {
        return ERR_OK;
    }
    char key[KEY_BYTES];
    member_key(key, p, "callee");
    return plant_cfg_error(p->src_locs, key, "%s does not call %s; name a caller and its callee",
                           e->service, e->callee);
}

/* ---- leaders ---- */

static enum err resolve_leader(int *out, const struct scenario_src_loc *p)
{
    const char *wanted = p->event->follow;
    if (wanted == NULL || wanted[0] == '\0') {
        *out = SCENARIO_LEADS_ITSELF;
        return ERR_OK;
    }
    int64_t number;
    /* Only generators before this one are searched. So leaders stand before their followers, chains
     * of followers have no cycle, and one pass in the order of the list draws all of them. */
    const bool indexed = number_whole(&number, wanted, 0, p->index - 1);
    for (int i = 0; i < p->index; i++) {
        if (strcmp(p->scenario->events[i].name, wanted) == 0 || (indexed && number == i)) {
            *out = i;
            return ERR_OK;
        }
    }
    struct nearest near = nearest_to(wanted);
    for (int i = 0; i < p->index; i++) {
        nearest_offer(&near, p->scenario->events[i].name);
    }
    char key[KEY_BYTES];
    member_key(key, p, "follow");
    const char *word = nearest_word(&near);
    bool hint = word != NULL && word[0] != '\0';
    return plant_cfg_error(p->src_locs, key,
                           "no generator before this one has the name or index '%.80s'%s%s%s",
                           wanted, hint ? "; did you mean '" : "", hint ? word : "",
                           hint ? "'?" : "; leaders stand before their followers");
}

enum err scenario_resolve(struct scenario_target *out, const struct scenario_src_loc *p,
                          const struct topology *topology)
{
    TRY(resolve_leader(&out->leader, p));
    return resolve_target(out, p, topology);
}
