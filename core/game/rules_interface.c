/* The rules as an interface: the defenders' side of a game, with the account of how they kept to
 * their organisation. See rules.h and conduct.h. */
#include "core/game/conduct.h"
#include "core/game/rules_parts.h"

#include <string.h>

/* What a team of defenders remembers of an episode. */
struct player {
    struct rules_memory memory;
    struct conduct conduct;      /* with an organisation */
    struct conduct_values *kept; /* (agents of the organisation) of the episode that ended */
};

static const struct rules *rules_of(const struct interface *i)
{
    return (const struct rules *)(const void *)i;
}

static enum err player_new(void **out, struct arena *arena, const struct interface *i)
{
    const struct rules *r = rules_of(i);
    struct player *p = ARENA_NEW(arena, 1, struct player);
    TRY(arena_error(arena));
    TRY(rules_memory_init(&p->memory, arena, r));
    if (r->guides != NULL) {
        TRY(conduct_init(&p->conduct, arena, r->guides));
        p->kept = ARENA_NEW(arena, r->guides->n_agents, struct conduct_values);
        TRY(arena_error(arena));
    }
    *out = p;
    return ERR_OK;
}

static void player_begin(void *memory, const struct interface *i, const struct episode_id *id)
{
    struct player *p = memory;
    rules_begin(&p->memory, rules_of(i), id);
    conduct_clear(&p->conduct);
}

static void player_observe(void *memory, const struct interface *i, const struct sight *sight)
{
    rules_observe(&((struct player *)memory)->memory, rules_of(i), sight->state);
}

static void player_row(float *row, uint32_t *mask, const void *memory, const struct interface *i,
                       const struct sight *sight)
{
    rules_row(row, mask, rules_of(i), &((const struct player *)memory)->memory, sight->state);
}

/* What the agents chose, before the plant moves. */
static void judge_choices(struct player *p, const struct rules *r, const float *state)
{
    if (r->guides == NULL) {
        return;
    }
    conduct_decide(&p->conduct, r, &p->memory.guides, state);
    for (int a = 0; a < r->spec.n_agents; a++) {
        const bool inside = p->memory.inside[a] != 0;
        conduct_choice(&p->conduct, r->guide_of[a], inside, inside);
    }
}

static void player_apply(struct game_move *move, void *memory, const struct interface *i,
                         const struct sight *sight, const int32_t *action)
{
    struct player *p = memory;
    const struct rules *r = rules_of(i);
    rules_apply(move->delta, &move->conflict, &p->memory, r, sight->state, action);
    judge_choices(p, r, sight->state);
}

/* The common reward, and to each agent what its organisation adds. */
static void player_reward(float *reward, void *memory, const struct interface *i,
                          const struct sight *sight, const struct reward_terms *terms)
{
    struct player *p = memory;
    const struct rules *r = rules_of(i);
    (void)sight;
    for (int a = 0; a < r->spec.n_agents; a++) {
        struct guides_reward own;
        rules_reward(&own, &p->memory, r, a);
        reward[a] = (float)(terms->reward + own.mission + own.bonus + own.penalty);
        if (r->guides != NULL) {
            conduct_reward(&p->conduct, r->guide_of[a], &own);
        }
    }
}

static void player_finish(double *stats, void *memory, const struct interface *i)
{
    const struct player *p = memory;
    (void)i;
    conduct_finish(p->kept, &p->conduct);
    for (int a = 0; a < p->conduct.n_agents; a++, stats += CONDUCT_TRAINED) {
        memcpy(stats, &p->kept[a], CONDUCT_TRAINED * sizeof *stats);
    }
}

static void player_imitate(int32_t *action, const void *memory, const struct interface *i,
                           const struct sight *sight, const int32_t *target)
{
    rules_imitate(action, rules_of(i), &((const struct player *)memory)->memory, sight->state,
                  target);
}

const struct interface_ops rules_interface_ops = {
    .name = "rules",
    .memory = player_new,
    .begin = player_begin,
    .observe = player_observe,
    .row = player_row,
    .apply = player_apply,
    .reward = player_reward,
    .finish = player_finish,
    .imitate = player_imitate,
};
