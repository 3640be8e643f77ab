/* Attackers as part of the environments. See train_population.h. */
#include "mpi/train/train_population.h"

#include "core/eval/raider.h"
#include "core/game/game.h"

enum err population_load(struct population *p, struct arena *arena, const struct attacker_cfg *cfg,
                         const struct team_cfg *team, const struct mappo_cfg *mappo,
                         const struct attacker_interface *attacker)
{
    const char *const *columns = attacker_interface_columns(attacker, arena);
    p->mixture =
        (struct mixture){.shares = cfg->n_shares > 0 ? cfg->shares : NULL, .n = cfg->n_members};
    p->members = ARENA_NEW(arena, cfg->n_members, struct team *);
    TRY(columns == NULL ? ERR_MEMORY : arena_error(arena));
    (void)attacker_source_learner(&p->source, cfg, team, mappo, false, columns);
    for (int m = 0; m < cfg->n_members; m++) {
        if (cfg->members[m][0] == '\0') {
            continue;
        }
        p->members[m] = ARENA_NEW(arena, 1, struct team);
        TRY(arena_error(arena));
        p->source.policy = cfg->members[m];
        TRY(attacker_team_load(p->members[m], arena, &p->source, &attacker->spec));
    }
    return ERR_OK;
}

/* ---- a tile ---- */

struct attacked_tile {
    struct adversary adversary;
    const struct population *population;
    struct raider **raiders;  /* (n_env, members) */
    struct raider *now[TILE]; /* who plays this episode; NULL: nobody */
};

static void begin(void *ctx, int lid, const struct episode_id *id, const struct sight *sight)
{
    struct attacked_tile *t = ctx;
    const struct mixture *m = &t->population->mixture;
    t->now[lid] = t->raiders[lid * m->n + mixture_member(m, id)];
    if (t->now[lid] != NULL) {
        raider_begin(t->now[lid], id, sight);
    }
}

static void attack(void *ctx, int lid, struct attack_action *out, const struct sight *sight)
{
    const struct attacked_tile *t = ctx;
    if (t->now[lid] != NULL) {
        raider_act(t->now[lid], out, sight);
    }
}

static void observe(void *ctx, int lid, const struct sight *sight)
{
    const struct attacked_tile *t = ctx;
    if (t->now[lid] != NULL) {
        raider_observe(t->now[lid], sight);
    }
}

static enum err new_tile(struct attacked_tile **out, struct arena *arena,
                         const struct population_source *s, int n_env)
{
    const int n = s->population->mixture.n;
    struct attacked_tile *t = ARENA_NEW(arena, 1, struct attacked_tile);
    struct raider **raiders = ARENA_NEW(arena, n_env * n, struct raider *);
    TRY(arena_error(arena));
    *t = (struct attacked_tile){
        .adversary = {.ctx = t, .begin = begin, .attack = attack, .observe = observe},
        .population = s->population,
        .raiders = raiders};
    for (int i = 0; i < n_env * n; i++) {
        const struct team *team = s->population->members[i % n];
        if (team != NULL) {
            TRY(raider_new(&raiders[i], arena, s->attacker, team));
        }
    }
    *out = t;
    return ERR_OK;
}

static enum err make_tile(void *ctx, struct env **out, struct arena *arena, int n_env)
{
    const struct population_source *s = ctx;
    const struct method *m = s->game->method;
    const struct demonstrator *demo;
    struct attacked_tile *tile;
    TRY(new_tile(&tile, arena, s, n_env));
    TRY(game_source_demonstrator(&demo, arena, s->game));
    const struct game_teams teams = {.env_setup = m->setup.env_setup,
                                     .spec = &m->env,
                                     .interfaces = &m->interface,
                                     .adversary = &tile->adversary};
    return game_new_teams(out, arena, &teams, n_env, s->game->train->seed, demo);
}

/* ---- the source ---- */

void population_source_envs(struct env_source *envs, struct population_source *s,
                            const struct game_source *g, const struct attacker_interface *attacker,
                            const struct population *population)
{
    *s = (struct population_source){.game = g, .attacker = attacker, .population = population};
    envs->ctx = s;
    envs->make = make_tile;
}
