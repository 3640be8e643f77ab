/* Proposal -> shield -> stage. See stage.h. */
#include "core/transfer/stage.h"

#include "core/plant/schema.h"

#include <string.h>

const struct cfg_choice stage_choices[] = {
    {"shadow", STAGE_SHADOW, "nothing is written"},
    {"limited", STAGE_LIMITED, "one service, one pod"},
    {"full", STAGE_FULL, "all that the shield allows"},
    {NULL, 0, NULL},
};

enum err gate_init(struct gate *g, struct arena *arena, const struct shield *shield,
                   enum stage stage)
{
    const int n = shield->n_services;
    *g = (struct gate){.shield = shield, .stage = stage};
    g->proposed = ARENA_NEW(arena, n, int32_t);
    g->allowed = ARENA_NEW(arena, n, int32_t);
    g->written = ARENA_NEW(arena, n, int32_t);
    g->least = ARENA_NEW(arena, n, int32_t);
    g->most = ARENA_NEW(arena, n, int32_t);
    TRY(arena_error(arena));
    TRY(shield_history_init(&g->history, arena, n));
    TRY(shield_verdict_init(&g->verdict, arena, n));
    return shield_verdict_init(&g->trial, arena, n);
}

static int32_t sign(int32_t x)
{
    return x > 0 ? 1 : x < 0 ? -1 : 0;
}

/* Share of its pods by which a service is to change; a service without pods counts as one. */
static double urgency(const struct shield_view *v, int service, int32_t delta)
{
    const double desired = (double)v->state[state_service_at(service, SF_DESIRED)];
    const double size = delta > 0 ? (double)delta : (double)-delta;
    return (delta > 0 ? 1e6 : 0.0) + size / (desired > 1.0 ? desired : 1.0);
}

/* The step of one pod, of one service, that is most urgent and passes alone. Of equal ones the
 * first service. */
static void limit(struct gate *g, const struct shield_view *v)
{
    int best = -1;
    double most = 0.0;
    shield_limits(g->least, g->most, &g->trial, g->shield, &g->history, v);
    for (int s = 0; s < g->shield->n_services; s++) {
        const int32_t step = sign(g->allowed[s]);
        const bool passes = step >= g->least[s] && step <= g->most[s];
        const double u = urgency(v, s, g->allowed[s]);
        if (step != 0 && passes && u > most) {
            most = u;
            best = s;
        }
    }
    memset(g->written, 0, (size_t)g->shield->n_services * sizeof *g->written);
    if (best >= 0) {
        g->written[best] = sign(g->allowed[best]);
    }
}

void gate_decide(struct gate *g, const struct shield_view *v, const int32_t *proposed)
{
    const size_t bytes = (size_t)g->shield->n_services * sizeof *proposed;
    memcpy(g->proposed, proposed, bytes);
    shield_observe(&g->history, g->shield, v);
    shield_decide(&g->verdict, g->shield, &g->history, v, proposed);
    memcpy(g->allowed, g->verdict.delta, bytes);
    switch (g->stage) {
    case STAGE_SHADOW:
        memset(g->written, 0, bytes);
        break;
    case STAGE_LIMITED:
        limit(g, v);
        break;
    case STAGE_FULL:
        memcpy(g->written, g->allowed, bytes);
        break;
    }
}

void gate_executed(struct gate *g, const int32_t *moved)
{
    if (g->stage != STAGE_SHADOW) {
        shield_executed(&g->history, g->shield, moved != NULL ? moved : g->written);
    } else if (moved != NULL) {
        shield_executed(&g->history, g->shield, moved);
    }
}
