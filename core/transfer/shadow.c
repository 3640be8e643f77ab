/* Counts of decisions, and the report that is printed of them. See shadow.h. */
#include "core/transfer/shadow.h"

#include "core/plant/schema.h"

#include "core/report/table.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum err shadow_init(struct shadow *s, struct arena *arena, const struct topology *topology)
{
    *s = (struct shadow){.topology = topology,
                         .services = ARENA_NEW(arena, topology->n_services, struct shadow_service)};
    return arena_error(arena);
}

static int32_t sign(int32_t x)
{
    return x > 0 ? 1 : x < 0 ? -1 : 0;
}

/* Counts a change of direction, and remembers the direction. */
static void turn(int64_t *flips, int32_t *direction, int32_t change)
{
    if (change != 0) {
        *flips += sign(change) == -*direction ? 1 : 0;
        *direction = sign(change);
    }
}

static void add_service(struct shadow_service *c, const struct gate *g, int s, double desired,
                        const int32_t *moved)
{
    const int32_t ours = g->allowed[s];
    c->altered += g->allowed[s] != g->proposed[s] ? 1 : 0;
    for (int r = 0; r < SHIELD_REASONS; r++) {
        c->reasons[r] += g->verdict.reasons[s] >> r & 1U;
    }
    turn(&c->flips, &c->direction, ours);
    if (moved == NULL) {
        return;
    }
    const int32_t theirs = moved[s];
    turn(&c->flips_theirs, &c->direction_theirs, theirs);
    c->n++;
    c->agree += sign(ours) == sign(theirs) ? 1 : 0;
    c->ours += ours != 0 ? 1 : 0;
    c->theirs += theirs != 0 ? 1 : 0;
    c->both += ours != 0 && theirs != 0 ? 1 : 0;
    c->same += ours != 0 && sign(ours) == sign(theirs) ? 1 : 0;
    c->distance += fabs((double)(ours - theirs));
    c->desired += desired;
    c->wanted += desired + (double)ours;
}

/* Of a blind decision nothing is compared: the policy has seen nothing. */
void shadow_add(struct shadow *s, const struct gate *g, const float *state, const int32_t *moved,
                bool blind)
{
    s->n_decisions++;
    s->n_blind += blind ? 1 : 0;
    for (int i = 0; i < s->topology->n_services; i++) {
        const double desired = (double)state[state_service_at(i, SF_DESIRED)];
        add_service(&s->services[i], g, i, desired, blind ? NULL : moved);
    }
}

/* ---- the report ---- */

static double over(double a, double b)
{
    return b > 0.0 ? a / b : (double)NAN;
}

static enum err print_agreement(struct buf *out, const struct shadow *s, struct arena *scratch)
{
    static const char *const head[] = {
        "service",         "decisions",      "agreement",     "changes",
        "changes_cluster", "same_direction", "distance_pods", "pods",
        "pods_cluster",    "flips",          "flips_cluster"};
    struct table t;
    table_init(&t, scratch, head, 11, 1);
    for (int i = 0; i < s->topology->n_services; i++) {
        const struct shadow_service *c = &s->services[i];
        const double n = (double)c->n;
        table_text(&t, s->topology->cfg->services[i].name);
        table_cell(&t, "%" PRId64, c->n);
        table_number(&t, over((double)c->agree, n));
        table_cell(&t, "%" PRId64, c->ours);
        table_cell(&t, "%" PRId64, c->theirs);
        table_cell(&t, "%" PRId64 "/%" PRId64, c->same, c->both);
        table_number(&t, over(c->distance, n));
        table_number(&t, over(c->wanted, n));
        table_number(&t, over(c->desired, n));
        table_cell(&t, "%" PRId64, c->flips);
        table_cell(&t, "%" PRId64, c->flips_theirs);
    }
    return table_print(out, &t, TABLE_TEXT);
}

static enum err print_shield(struct buf *out, const struct shadow *s, struct arena *scratch)
{
    static const char *const head[] = {"service", "reason", "decisions", "meaning"};
    struct table t;
    int64_t altered = 0, n_rows = 0;
    table_init(&t, scratch, head, 4, 2);
    for (int i = 0; i < s->topology->n_services; i++) {
        altered += s->services[i].altered;
        for (int r = 0; r < SHIELD_REASONS; r++) {
            if (s->services[i].reasons[r] > 0) {
                table_text(&t, s->topology->cfg->services[i].name);
                table_text(&t, shield_reason_info[r].name);
                table_cell(&t, "%" PRId64, s->services[i].reasons[r]);
                table_text(&t, shield_reason_info[r].doc);
                n_rows++;
            }
        }
    }
    TRY(buf_printf(out, "\nShield: %" PRId64 " proposals of single services altered.\n\n",
                   altered));
    return n_rows > 0 ? table_print(out, &t, TABLE_TEXT)
                      : buf_printf(out, "It had no reason to.\n");
}

/* The last decision has none behind it to be compared with, but was decided by somebody. */
static enum err print_fallback(struct buf *out, const struct fallback *f, int64_t n_compared)
{
    if (f == NULL) {
        return ERR_OK;
    }
    return buf_printf(out,
                      "\nFallback: the rule decided %" PRIu64 " of %" PRIu64
                      " decisions, in %" PRIu64 " stretch%s%s.\n",
                      f->n_active, f->n_decisions, f->n_entered, f->n_entered == 1 ? "" : "es",
                      (int64_t)f->n_decisions > n_compared
                          ? "; the last one had no next one to be compared with"
                          : "");
}

static enum err print_effect(struct buf *out, const struct effect *e, struct arena *scratch)
{
    static const char *const head[] = {"value", "policy", "cluster", "policy - cluster"};
    struct table t;
    if (e == NULL) {
        return buf_printf(out, "\nNo effects are predicted: there is no twin to predict them.\n");
    }
    TRY(buf_printf(out,
                   "\nPredicted effect of %" PRId64 " decisions in which the two differ: mean over "
                   "%d periods, and the interval from 5 %% to 95 %% of %d trajectories of the "
                   "twin.\n\n",
                   e->n, EFFECT_PERIODS, EFFECT_RUNS));
    table_init(&t, scratch, head, 4, 1);
    for (int v = 0; v < EFFECT_VALUES && e->n > 0; v++) {
        const struct stat_interval one = effect_interval(e, 0, (enum effect_value)v);
        const struct stat_interval other = effect_interval(e, 1, (enum effect_value)v);
        const struct stat_interval apart = effect_interval(e, 2, (enum effect_value)v);
        const int decimals = v == EFFECT_SLO ? 4 : v == EFFECT_PODS ? 2 : 1;
        table_text(&t, effect_names[v]);
        table_interval(&t, &one, decimals);
        table_interval(&t, &other, decimals);
        table_difference(&t, &apart, decimals);
    }
    return e->n > 0 ? table_print(out, &t, TABLE_TEXT) : ERR_OK;
}

enum err shadow_print(struct buf *out, const struct shadow *s, const struct fallback *fallback,
                      const struct effect *effect, enum stage stage, struct arena *scratch)
{
    TRY(buf_printf(out,
                   "Stage %s: %" PRId64 " decisions in %.2f h, %" PRId64
                   " of them without measurements.\n\n"
                   "What the policy would do, after the shield, beside what the cluster did until "
                   "the next decision:\n\n",
                   stage_name(stage), s->n_decisions, s->hours, s->n_blind));
    TRY(print_agreement(out, s, scratch));
    TRY(print_shield(out, s, scratch));
    TRY(print_fallback(out, fallback, s->n_decisions));
    return print_effect(out, effect, scratch);
}
