/* The invariants as intervals, their projection in the order of priority, and the joint budget.
 *
 * One service. An interval [lo, hi] begins as all numbers and is narrowed to each A_i in turn: both
 * ends of A_i, clipped to [lo, hi], are the new ends. If A_i meets [lo, hi] that is their
 * intersection; if not, both ends become the end of [lo, hi] that is nearest to A_i. So [lo, hi] is
 * S_i of shield.h. x is the point of it that is nearest to the proposal; an invariant that moves x
 * is a reason. Once x has left the proposal it never comes back, because S_i only shrinks.
 *
 * All services. The budget is the highest invariant and is applied last: it takes back increases
 * only, down to d at most, and every A_i but bounds, freshness and capacity contains all points
 * between d and a point of it; these three it overrules, as its rank allows. */
#include "core/shield/shield_parts.h"

#include <math.h>
#include <string.h>

/* Products and their sums have rounding errors of some 1e-16 of their size: 0.07 * 100 > 7. */
static const double ROUNDING = 1e-9;

struct shield_trial {
    bool known;                   /* `desired` is */
    int d;                        /* it, or what is assumed of it for the budget */
    int lo, hi, x;                /* see above */
    int must;                     /* the least x that the invariants below the budget permit */
    int granted;                  /* pods of the increase so far */
    int least[SHIELD_INVARIANTS]; /* where A_i begins */
    uint32_t reasons, overruled;
};

/* ---- one service ---- */

static int clip(int64_t x, int lo, int hi)
{
    return x < lo ? lo : x > hi ? hi : (int)x;
}

/* The set of an invariant, and the reason at each end. */
struct allowed {
    int lo, hi;
    enum shield_reason below, above;
};

static void narrow(struct shield_trial *t, const struct shield *s, enum shield_invariant i,
                   struct allowed a)
{
    if ((s->switched_off >> i & 1U) != 0) {
        return;
    }
    if (a.lo > t->hi || a.hi < t->lo) {
        t->overruled |= 1U << i;
    }
    const int lo = clip(a.lo, t->lo, t->hi), hi = clip(a.hi, t->lo, t->hi);
    t->least[i] = a.lo;
    t->lo = lo;
    t->hi = hi;
    if (t->x < lo) {
        t->x = lo;
        t->reasons |= 1U << a.below;
    } else if (t->x > hi) {
        t->x = hi;
        t->reasons |= 1U << a.above;
    }
}

/* Both ends with the same reason. */
static struct allowed between(int lo, int hi, enum shield_reason why)
{
    return (struct allowed){lo, hi, why, why};
}

static struct allowed fresh(const struct shield *s, const struct shield_history *h,
                            const struct shield_view *v, int service, int d)
{
    const enum shield_reason blind = shield_blindness(s, h, v, service);
    if (blind == SHIELD_REASONS) {
        const enum shield_reason why = shield_incomplete(v, service, d);
        return between(why == SHIELD_REASONS ? -SHIELD_ANY : d, SHIELD_ANY,
                       why == SHIELD_REASONS ? SHIELD_REASON_UNREADY : why);
    }
    const double since = shield_past(h)->now_s - shield_service_past(h, service)->blind_s;
    if (!(since >= s->cfg->hold_s) || d >= s->floor[service]) { /* NaN: the clock is unknown */
        return between(d, d, blind);
    }
    return (struct allowed){d + 1, d + 1, SHIELD_REASON_FLOOR, blind};
}

static struct allowed capacity(const struct shield *s, const struct shield_history *h,
                               const struct shield_view *v, const struct shield_load *load,
                               int service, int d)
{
    if (shield_blindness(s, h, v, service) != SHIELD_REASONS) {
        return between(-SHIELD_ANY, SHIELD_ANY, SHIELD_REASON_LOAD);
    }
    const struct shield_need need = shield_need_of(s, v, load, service, d);
    return between(need.replicas, SHIELD_ANY, need.why);
}

/* Own changes of direction in the window that ends now; one exactly as old has left it. They stand
 * in order, and what is not there is NaN, which ends the loop. */
static int count_reversals(const struct shield *s, const struct shield_history *h, int service)
{
    const struct shield_service_past *p = shield_service_past(h, service);
    const double now_s = shield_past(h)->now_s;
    int n = 0;
    while (n < SHIELD_FLIPS_MAX && now_s - p->reversal_s[n] < s->cfg->flap_window_s) {
        n++;
    }
    return n;
}

static struct allowed steady(const struct shield *s, const struct shield_history *h, int service,
                             int d)
{
    const double direction = shield_service_past(h, service)->direction;
    const int n = count_reversals(s, h, service), most = s->cfg->flips_max;
    const bool may_fall = !(direction > 0.0) || n <= most - 2;
    const bool may_rise = !(direction < 0.0) || n <= most - 1;
    return between(may_fall ? -SHIELD_ANY : d, may_rise ? SHIELD_ANY : d, SHIELD_REASON_FLAPS);
}

static struct allowed undisturbed(const struct shield *s, const struct shield_history *h,
                                  int service, int d)
{
    const double since = shield_past(h)->now_s - shield_service_past(h, service)->foreign_s;
    const bool disturbed = since < s->cfg->cooldown_s; /* false for NaN: never changed */
    return between(disturbed ? d : -SHIELD_ANY, disturbed ? d : SHIELD_ANY, SHIELD_REASON_FOREIGN);
}

/* What is not ready is unknown of a service without plausible pods: then freshness forbids the
 * decrease, or, switched off, nothing is counted. */
static struct allowed undisrupted(const struct shield *s, const struct shield_view *v, int service,
                                  int d)
{
    const double budget = ceil(s->cfg->disruption * d * (1.0 - ROUNDING));
    const double unready = d - shield_value(v, service, SF_READY);
    const double left = unready > 0.0 && unready <= d ? budget - unready : budget;
    return between(d - (left > 0.0 ? (int)left : 0), SHIELD_ANY, SHIELD_REASON_DISRUPTION);
}

static void try_service(struct shield_trial *t, const struct shield *s,
                        const struct shield_history *h, const struct shield_view *v,
                        const struct shield_load *load, int service, int32_t proposed)
{
    const struct service_cfg *c = &s->topology->cfg->services[service];
    int d;
    *t = (struct shield_trial){.known = shield_desired(&d, s, v, service)};
    if (!t->known) {
        const double last = shield_service_past(h, service)->expected;
        t->d = t->lo = t->hi = t->x = t->must = isnan(last) ? c->max_replicas : (int)last;
        t->reasons = proposed != 0 ? 1U << shield_blindness(s, h, v, service) : 0;
        return;
    }
    t->d = d;
    t->lo = -SHIELD_ANY;
    t->hi = SHIELD_ANY;
    t->x = clip((int64_t)d + proposed, -SHIELD_ANY, SHIELD_ANY);
    for (int i = 0; i < SHIELD_INVARIANTS; i++) {
        t->least[i] = -SHIELD_ANY;
    }
    narrow(t, s, SHIELD_BOUNDS, between(c->min_replicas, c->max_replicas, SHIELD_REASON_REPLICAS));
    narrow(t, s, SHIELD_STEP, between(d - s->step_in, d + s->step_out, SHIELD_REASON_STEP));
    narrow(t, s, SHIELD_FRESHNESS, fresh(s, h, v, service, d));
    narrow(t, s, SHIELD_CAPACITY, capacity(s, h, v, load, service, d));
    narrow(t, s, SHIELD_FLAPS, steady(s, h, service, d));
    narrow(t, s, SHIELD_COOLDOWN, undisturbed(s, h, service, d));
    narrow(t, s, SHIELD_DISRUPTION, undisrupted(s, v, service, d));
    t->must = t->lo;
}

/* ---- the budget ---- */

struct room {
    double pods, cpu_m, ram_mib; /* asked for so far */
};

static void take(struct room *r, const struct shield *s, int service, int pods)
{
    const struct service_cfg *c = &s->topology->cfg->services[service];
    r->pods += pods;
    r->cpu_m += pods * c->cpu_m;
    r->ram_mib += pods * c->ram_mib;
}

/* The first limit that `r` and one more pod would pass; SHIELD_REASONS: none. */
static enum shield_reason passed(const struct shield *s, const struct room *r,
                                 const struct service_cfg *one)
{
    const double cpu = r->cpu_m + (one != NULL ? one->cpu_m : 0.0);
    const double ram = r->ram_mib + (one != NULL ? one->ram_mib : 0.0);
    const double pods = r->pods + (one != NULL ? 1.0 : 0.0);
    if (s->cfg->quota_pods > 0 && pods > s->cfg->quota_pods) {
        return SHIELD_REASON_QUOTA;
    }
    if (cpu > s->cpu_max_m * (1.0 + ROUNDING)) {
        return s->quota_cpu ? SHIELD_REASON_QUOTA : SHIELD_REASON_NODE;
    }
    if (ram > s->ram_max * (1.0 + ROUNDING)) {
        return s->quota_ram ? SHIELD_REASON_QUOTA : SHIELD_REASON_NODE;
    }
    return SHIELD_REASONS;
}

/* The service whose increase gets the next pod, -1: none fits. First those below `must`, then the
 * one with the fewest granted, then the first. */
static int next_grant(const struct shield *s, const struct shield_trial *t, const struct room *r)
{
    int best = -1;
    bool best_must = false;
    for (int i = 0; i < s->n_services; i++) {
        const int at = t[i].d + t[i].granted;
        const bool must = at < t[i].must;
        if (t[i].x <= at || passed(s, r, &s->topology->cfg->services[i]) != SHIELD_REASONS) {
            continue;
        }
        if (best < 0 || (must && !best_must) ||
            (must == best_must && t[i].granted < t[best].granted)) {
            best = i;
            best_must = must;
        }
    }
    return best;
}

/* What is granted of an increase is its x; who needed more is overruled. */
static void settle(struct shield_trial *t, enum shield_reason why)
{
    if (t->x <= t->d || t->granted == t->x - t->d) {
        return;
    }
    t->x = t->d + t->granted;
    t->reasons |= 1U << why;
    for (int i = 0; i < SHIELD_INVARIANTS; i++) {
        t->overruled |= t->least[i] > t->x ? 1U << i : 0U;
    }
}

/* Decreases first: what they free can be granted. The limit that is named is the one that the first
 * pod of the service that was left out would pass. */
static void keep_budget(struct shield_trial *t, const struct shield *s)
{
    struct room all = {0}, r = {0};
    bool grows = false;
    for (int i = 0; i < s->n_services; i++) {
        grows = grows || t[i].x > t[i].d;
        take(&all, s, i, t[i].x);
        take(&r, s, i, t[i].x < t[i].d ? t[i].x : t[i].d);
    }
    if (!grows || passed(s, &all, NULL) == SHIELD_REASONS ||
        (s->switched_off >> SHIELD_BUDGET & 1U) != 0) {
        return;
    }
    for (int i = next_grant(s, t, &r); i >= 0; i = next_grant(s, t, &r)) {
        take(&r, s, i, 1);
        t[i].granted++;
    }
    for (int i = 0; i < s->n_services; i++) {
        settle(&t[i], passed(s, &r, &s->topology->cfg->services[i]));
    }
}

/* ---- the whole ---- */

enum err shield_verdict_init(struct shield_verdict *out, struct arena *arena, int n_services)
{
    *out = (struct shield_verdict){.delta = ARENA_NEW(arena, n_services, int32_t),
                                   .reasons = ARENA_NEW(arena, n_services, uint32_t),
                                   .overruled = ARENA_NEW(arena, n_services, uint32_t),
                                   .trial = ARENA_NEW(arena, n_services, struct shield_trial)};
    return arena_error(arena);
}

struct shield_view shield_view_of(const struct plant *p, int lid)
{
    return (struct shield_view){.state = plant_state(p, lid),
                                .age = p->ops->age != NULL ? p->ops->age(p, lid) : NULL,
                                .now_s = plant_clock_s(p, lid)};
}

void shield_decide(struct shield_verdict *out, const struct shield *s,
                   const struct shield_history *h, const struct shield_view *v,
                   const int32_t *proposed)
{
    struct shield_load load;
    shield_load(&load, s, v);
    for (int i = 0; i < s->n_services; i++) {
        try_service(&out->trial[i], s, h, v, &load, i, proposed[i]);
    }
    keep_budget(out->trial, s);
    for (int i = 0; i < s->n_services; i++) {
        const struct shield_trial *t = &out->trial[i];
        const int32_t delta = t->x - t->d;
        out->reasons[i] = delta != proposed[i] ? t->reasons : 0;
        out->overruled[i] = t->overruled;
        out->delta[i] = delta;
    }
}

/* How many pods more than it has one service may ask for, at most `wanted`. */
static int room_for(const struct shield *s, const struct shield_trial *t, int service, int wanted)
{
    struct room r = {0};
    int n = 0;
    for (int i = 0; i < s->n_services; i++) {
        take(&r, s, i, t[i].d);
    }
    while (n < wanted && passed(s, &r, &s->topology->cfg->services[service]) == SHIELD_REASONS) {
        take(&r, s, service, 1);
        n++;
    }
    return n;
}

void shield_limits(int32_t *least, int32_t *most, struct shield_verdict *out,
                   const struct shield *s, const struct shield_history *h,
                   const struct shield_view *v)
{
    struct shield_load load;
    shield_load(&load, s, v);
    for (int i = 0; i < s->n_services; i++) {
        try_service(&out->trial[i], s, h, v, &load, i, 0);
    }
    for (int i = 0; i < s->n_services; i++) {
        const struct shield_trial *t = &out->trial[i];
        const int hi = t->hi - t->d, lo = t->lo - t->d;
        const bool budget = (s->switched_off >> SHIELD_BUDGET & 1U) == 0;
        const int room = hi > 0 && budget ? room_for(s, out->trial, i, hi) : hi;
        most[i] = room < hi ? room : hi;
        least[i] = lo < most[i] ? lo : most[i];
    }
}

/* ---- words ---- */

static enum err put_names(struct buf *out, const char *before, uint32_t bits, bool reasons)
{
    for (int i = 0; i < 32; i++) {
        if ((bits >> i & 1U) != 0) {
            TRY(buf_printf(out, "%s%s", before,
                           reasons ? shield_reason_info[i].name : shield_invariant_names[i]));
            before = ", ";
        }
    }
    return ERR_OK;
}

enum err shield_explain(struct buf *out, const struct shield *s, const struct shield_verdict *d,
                        const int32_t *proposed)
{
    for (int i = 0; i < s->n_services; i++) {
        if (d->reasons[i] == 0 && d->overruled[i] == 0) {
            continue;
        }
        TRY(buf_printf(out, "%s: %+d asked, %+d allowed", s->topology->cfg->services[i].name,
                       proposed[i], d->delta[i]));
        TRY(put_names(out, ": ", d->reasons[i], true));
        TRY(put_names(out, "; overruled: ", d->overruled[i], false));
        TRY(buf_printf(out, "\n"));
    }
    return buf_append(out, "", 1);
}
