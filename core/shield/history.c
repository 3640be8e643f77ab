/* What the shield remembers of a run: since when values stand still, since when a service is blind,
 * who changed it last, and its own changes of direction. */
#include "core/shield/shield_parts.h"

#include <math.h>
#include <string.h>

enum {
    PAST_VALUES = sizeof(struct shield_past) / sizeof(double),
    SERVICE_VALUES = sizeof(struct shield_service_past) / sizeof(double)
};

int shield_history_size(int n_services)
{
    return PAST_VALUES + n_services * SERVICE_VALUES;
}

enum err shield_history_init(struct shield_history *h, struct arena *arena, int n_services)
{
    h->values = ARENA_NEW(arena, shield_history_size(n_services), double);
    TRY(arena_error(arena));
    shield_history_clear(h, n_services);
    return ERR_OK;
}

void shield_history_clear(struct shield_history *h, int n_services)
{
    const int n = shield_history_size(n_services);
    for (int i = 0; i < n; i++) {
        h->values[i] = (double)NAN;
    }
    for (int i = 0; i < n_services; i++) {
        shield_service_past(h, i)->direction = 0.0;
    }
}

/* Remembers n values; whether they are, bit for bit, those remembered before. A value that is not a
 * number equals itself here: it has not changed either. */
static bool unchanged(double *before, const double *now, size_t n)
{
    const bool same = memcmp(before, now, n * sizeof *now) == 0;
    memcpy(before, now, n * sizeof *now);
    return same;
}

static void watch_service(struct shield_service_past *p, const struct shield_view *v, int service,
                          double now_s)
{
    const double seen[3] = {shield_value(v, service, SF_RECEIVED), shield_value(v, service, SF_CPU),
                            shield_value(v, service, SF_QUEUE)};
    if (!unchanged(p->seen, seen, 3) || isnan(p->same_s)) {
        p->same_s = now_s;
    }
}

/* A number that is neither what was there before the last own write nor what that write asked for
 * is somebody else's. A write that was refused leaves the number before. Afterwards both are what
 * is there, so a change counts once. */
static void watch_desired(struct shield_service_past *p, int desired, double now_s)
{
    const double d = desired;
    if (!isnan(p->expected) && d != p->expected && d != p->before) {
        p->foreign_s = now_s;
    }
    p->before = p->expected = d;
}

void shield_observe(struct shield_history *h, const struct shield *s, const struct shield_view *v)
{
    struct shield_past *all = shield_past(h);
    const double entry[3] = {shield_global(s, v, GF_ENTRY_30S), shield_global(s, v, GF_ENTRY_10S),
                             shield_global(s, v, GF_ENTRY_DIFF)};
    const bool later = isfinite(v->now_s) && !(v->now_s <= all->now_s); /* than NaN, too */
    all->now_s = later ? v->now_s : all->now_s;
    if (!unchanged(all->entry, entry, 3) || isnan(all->entry_same_s)) {
        all->entry_same_s = all->now_s;
    }
    for (int i = 0; i < s->n_services; i++) {
        struct shield_service_past *p = shield_service_past(h, i);
        int desired;
        watch_service(p, v, i, all->now_s);
        if (shield_desired(&desired, s, v, i)) {
            watch_desired(p, desired, all->now_s);
        }
        const bool blind = shield_blindness(s, h, v, i) != SHIELD_REASONS;
        p->blind_s = !blind ? (double)NAN : isnan(p->blind_s) ? all->now_s : p->blind_s;
    }
}

static void remember_reversal(struct shield_service_past *p, double now_s)
{
    memmove(p->reversal_s + 1, p->reversal_s, (SHIELD_FLIPS_MAX - 1) * sizeof *p->reversal_s);
    p->reversal_s[0] = now_s;
}

void shield_executed(struct shield_history *h, const struct shield *s, const int32_t *delta)
{
    for (int i = 0; i < s->n_services; i++) {
        struct shield_service_past *p = shield_service_past(h, i);
        const double direction = (double)((delta[i] > 0) - (delta[i] < 0));
        if (delta[i] == 0) {
            continue;
        }
        if (direction == -p->direction) {
            remember_reversal(p, shield_past(h)->now_s);
        }
        p->direction = direction;
        p->expected += (double)delta[i]; /* unknown stays unknown */
    }
}
