/* Tiles with two interfaces, and an attacker's networks. See train_attacker.h. */
#include "mpi/train/train_attacker.h"

#include "core/base/file.h"
#include "core/base/frame.h"
#include "core/game/game.h"
#include "proto/weights.h"

/* ---- its learner ---- */

/* Weights of a policy file that was made for a team of this shape. A refresh is due. */
static enum err read_weights(struct weights *w, const struct team_spec *spec,
                             const struct attacker_source *s, struct arena *arena)
{
    struct policy_meta meta = {.features = s->columns};
    struct frame_reader reader;
    struct frame f;
    struct buf bytes;
    buf_init(&bytes);
    enum err e = file_read(&bytes, s->policy, FRAME_BYTES_MAX);
    if (e == ERR_OK) {
        frame_reader_init(&reader, bytes.data, bytes.len, s->policy);
        e = frame_expect(&reader, &f, FRAME_POLICY, CODEC_POLICY_VERSION);
    }
    if (e == ERR_OK) {
        e = codec_get_policy(w, spec, &meta, f.payload, f.n, s->policy, arena);
    }
    buf_release(&bytes);
    return e;
}

static enum err make_learner(const void *ctx, struct learner **out, struct arena *arena,
                             const struct team_spec *spec, int team, uint64_t seed,
                             struct arena *scratch)
{
    const struct attacker_source *s = ctx;
    const struct learner_source networks = mappo_source_learner(&s->source);
    TRY(networks.make(networks.ctx, out, arena, spec, team, seed, scratch));
    if (s->policy[0] != '\0') {
        TRY(read_weights((*out)->w, spec, s, arena));
        learner_refresh(*out);
    }
    return ERR_OK;
}

enum err attacker_team_load(struct team *t, struct arena *arena, const struct attacker_source *s,
                            const struct team_spec *spec)
{
    TRY(team_init(t, arena, &s->team, spec));
    t->number = 1;
    TRY(read_weights(&t->w, spec, s, arena));
    team_refresh(t);
    return ERR_OK;
}

/* Its critic is shown no privileged part, so where that of the defenders is, its own is central. */
struct learner_source attacker_source_learner(struct attacker_source *s,
                                              const struct attacker_cfg *cfg,
                                              const struct team_cfg *team,
                                              const struct mappo_cfg *mappo, bool learns,
                                              const char *const *columns)
{
    *s = (struct attacker_source){
        .team = *team, .mappo = *mappo, .policy = cfg->policy, .columns = columns};
    s->team.actor_hidden = s->team.critic_hidden = cfg->hidden;
    s->team.n_actor_hidden = s->team.n_critic_hidden = cfg->n_hidden;
    s->team.critic = CRITIC_CENTRAL;
    s->mappo.lr = cfg->lr;
    s->mappo.lr_end = cfg->lr_end;
    s->mappo.entropy = cfg->entropy;
    s->source = (struct mappo_source){.team = &s->team, .mappo = learns ? &s->mappo : NULL};
    return (struct learner_source){.ctx = s, .make = make_learner};
}

/* ---- environments ---- */

static enum err make_tile(void *ctx, struct env **out, struct arena *arena, int n_env)
{
    const struct attacked_source *s = ctx;
    const struct game_source *g = s->game;
    const struct demonstrator *demo;
    const struct game_teams teams = {
        .env_setup = g->method->setup.env_setup, .spec = &s->spec, .interfaces = s->interfaces};
    TRY(game_source_demonstrator(&demo, arena, g));
    return game_new_teams(out, arena, &teams, n_env, g->train->seed, demo);
}

/* The numbers of the defenders stand first. */
static void tell(const void *ctx, char text[SOURCE_TEXT], const float *episodes)
{
    const struct attacked_source *s = ctx;
    s->defended.tell(s->defended.ctx, text, episodes);
}

enum err attacked_source_envs(struct env_source *envs, struct attacked_source *s,
                              struct arena *arena, const struct game_source *g,
                              const struct attacker_interface *attacker)
{
    *s = (struct attacked_source){
        .defended = *envs,
        .game = g,
        .interfaces = {g->method->interface, &attacker->interface},
    };
    TRY(interface_env_spec(&s->spec, arena, s->interfaces, 2));
    s->spec.group = g->method->env.group;
    *envs = (struct env_source){.spec = &s->spec,
                                .horizon = s->defended.horizon,
                                .ctx = s,
                                .make = make_tile,
                                .tell = tell};
    return ERR_OK;
}
