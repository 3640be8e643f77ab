/* Who is in a league, and the trainings of those who may join. See league.h. */
#include "mpi/jobs/league_parts.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/controllers/kinds.h"
#include "core/controllers/trained.h"
#include "mpi/jobs/training.h"

#include <inttypes.h>
#include <string.h>

/* ---- players ---- */

static enum err init_defender(struct league_member *m, struct league *l,
                              const struct controller_cfg *row, const struct trained_team *team)
{
    m->defended = (struct defended){.controller = row, .team = team};
    return controller_new(&m->controller, l->arena, row, &l->world.all, &l->x->rules, team);
}

/* Each controller of the configuration; of a policy with several seeds, each of them. */
static enum err add_controllers(struct league *l)
{
    const struct eval_cfg *eval = &l->x->cfg.eval;
    struct league_side *side = &l->sides[LEAGUE_DEFENDERS];
    for (int c = 0; c < eval->n_controllers; c++) {
        const struct eval_teams *teams = &l->policies.teams[c];
        const char *label = controller_label(&eval->controllers[c]);
        for (int t = 0; t < (teams->n_teams > 0 ? teams->n_teams : 1); t++) {
            const bool one = teams->n_teams <= 1;
            struct league_member *m = &side->members[side->n++];
            *m = (struct league_member){
                .name = one ? label : arena_printf(l->arena, "%s %d", label, t + 1),
                .run = teams->n_teams > 0 ? l->policies.sources[c][t].run : "",
                .digest = teams->n_teams > 0 ? l->policies.sources[c][t].digest : 0,
            };
            TRY(arena_error(l->arena));
            TRY(init_defender(m, l, &eval->controllers[c],
                              teams->n_teams > 0 ? &teams->teams[t] : NULL));
        }
    }
    return ERR_OK;
}

/* Rows of the controllers to come: a policy for each training of each round. */
static enum err make_room(struct league *l)
{
    struct eval_cfg *eval = &l->x->cfg.eval;
    const struct league_cfg *c = &l->x->cfg.league;
    const int n = eval->n_controllers + c->rounds * c->n_seeds;
    struct controller_cfg *rows = ARENA_NEW(l->arena, n, struct controller_cfg);
    TRY(arena_error(l->arena));
    memcpy(rows, eval->controllers, (size_t)eval->n_controllers * sizeof *rows);
    eval->controllers = rows;
    return ERR_OK;
}

enum err league_members_init(struct league *l)
{
    struct league_side *attackers = &l->sides[LEAGUE_ATTACKERS];
    TRY(make_room(l));
    TRY(policies_load(&l->policies, l->arena, l->x, POLICIES_ALL, l->order->config_path));
    l->cap = l->x->cfg.league.rounds + 1;
    for (int c = 0; c < l->x->cfg.eval.n_controllers; c++) {
        l->cap += l->policies.teams[c].n_teams > 0 ? l->policies.teams[c].n_teams : 1;
    }
    for (int s = 0; s < LEAGUE_SIDES; s++) {
        l->sides[s].members = ARENA_NEW(l->arena, l->cap, struct league_member);
        l->sides[s].shares = ARENA_NEW(l->arena, l->cap, double);
    }
    TRY(arena_error(l->arena));
    attackers->members[attackers->n++] = (struct league_member){.name = "idle", .run = ""};
    return add_controllers(l);
}

/* ---- a best response of the defenders ---- */

static enum err add_set(const char **sets, int *n, const char *set)
{
    sets[(*n)++] = set;
    return set == NULL ? ERR_MEMORY : ERR_OK;
}

/* "attacker.members=['a.bin', '']": a quote in a name is doubled, as in YAML. */
static const char *list_members(const struct league_side *side, struct arena *arena)
{
    const char *list = "";
    for (int i = 0; i < side->n && list != NULL; i++) {
        const char *run = side->members[i].run;
        char *name = arena_printf(arena, "%s%s", run, run[0] != '\0' ? "/policy/weights.bin" : "");
        char *quoted = name != NULL ? arena_alloc(arena, 2 * strlen(name) + 1, 1) : NULL;
        for (char *to = quoted; quoted != NULL && *name != '\0'; name++) {
            *to++ = *name;
            if (*name == '\'') {
                *to++ = '\'';
            }
        }
        list = quoted != NULL ? arena_printf(arena, "%s%s'%s'", list, i > 0 ? ", " : "", quoted)
                              : NULL;
    }
    return list != NULL ? arena_printf(arena, "attacker.members=[%s]", list) : NULL;
}

static const char *list_shares(const struct league_side *side, struct arena *arena)
{
    const char *list = "";
    for (int i = 0; i < side->n && list != NULL; i++) {
        list = arena_printf(arena, "%s%s%.17g", list, i > 0 ? ", " : "", side->shares[i]);
    }
    return list != NULL ? arena_printf(arena, "attacker.shares=[%s]", list) : NULL;
}

enum err league_write_attackers(const struct league *l)
{
    const struct league_side *attackers = &l->sides[LEAGUE_ATTACKERS];
    const char *path = file_join(l->arena, l->order->dir, "attackers.yaml");
    const char *members = list_members(attackers, l->arena);
    const char *shares = list_shares(attackers, l->arena);
    struct buf b;
    TRY(members != NULL && shares != NULL ? arena_error(l->arena) : ERR_MEMORY);
    buf_init(&b);
    enum err error = buf_printf(
        &b,
        "# The mixture of attackers of a league, written by karma league; a configuration that\n"
        "# includes it trains defenders against it.\n"
        "train: {opponent: population}\n"
        "attacker:\n  members: %s\n  shares: %s\n",
        strchr(members, '=') + 1, strchr(shares, '=') + 1);
    error = error == ERR_OK ? file_write(path, b.data, b.len) : error;
    buf_release(&b);
    return error;
}

enum { SETS = 9 };

/* What the league adds to the settings of the configuration: it is a training that `karma train`
 * could do, too. */
static enum err defender_sets(const char ***out, int *n, const struct league *l, uint64_t seed,
                              const char *dir)
{
    const struct league_side *attackers = &l->sides[LEAGUE_ATTACKERS];
    const char **sets = ARENA_NEW(l->arena, l->order->n_sets + SETS, const char *);
    TRY(arena_error(l->arena));
    for (*n = 0; *n < l->order->n_sets; (*n)++) {
        sets[*n] = l->order->sets[*n];
    }
    TRY(add_set(sets, n, "train.opponent=population"));
    TRY(add_set(sets, n, list_members(attackers, l->arena)));
    TRY(add_set(sets, n, list_shares(attackers, l->arena)));
    const struct plant_cfg *plant = &l->world.plant;
    TRY(add_set(sets, n,
                arena_printf(l->arena, "plant.attack_requests=%.17g", plant->attack_requests)));
    TRY(add_set(sets, n,
                arena_printf(l->arena, "plant.attack_crashes=%.17g", plant->attack_crashes)));
    TRY(add_set(
        sets, n,
        arena_printf(l->arena, "plant.attack_connections=%.17g", plant->attack_connections)));
    TRY(add_set(sets, n, arena_printf(l->arena, "plant.attack_work=%.17g", plant->attack_work)));
    TRY(add_set(sets, n, arena_printf(l->arena, "train.seed=%" PRIu64, seed)));
    TRY(add_set(sets, n, arena_printf(l->arena, "run.dir=%s", dir)));
    *out = sets;
    return ERR_OK;
}

static enum err train_loaded(struct league *l, struct experiment *x)
{
    const struct training_order order = {.lock = NULL, .restart = l->order->restart};
    struct training_outcome outcome;
    TRY(comm_agree(l->comm, experiment_load_twin(x)));
    return training_run(l->comm, &outcome, x, &order);
}

/* A training of its own configuration, in a directory of the league's, whose lock is held. */
static enum err train_defender(struct league *l, uint64_t seed, const char *dir)
{
    struct experiment x;
    const char **sets = NULL;
    int n = 0;
    TRY(comm_agree(l->comm, defender_sets(&sets, &n, l, seed, dir)));
    enum err loaded = experiment_load(&x, l->order->config_path, sets, n);
    enum err e = comm_agree(l->comm, loaded);
    if (e == ERR_OK) {
        e = train_loaded(l, &x);
    }
    if (loaded == ERR_OK) {
        experiment_release(&x);
    }
    return e;
}

/* The trained team as a controller of the configuration. */
static enum err load_defender(struct league_member *m, struct league *l)
{
    struct eval_cfg *eval = &l->x->cfg.eval;
    struct controller_cfg *row = &eval->controllers[eval->n_controllers];
    const int c = eval->n_controllers;
    TRY(controller_cfg_default(row, l->arena, &controller_policy));
    struct trained_cfg *trained = (struct trained_cfg *)row->method.params;
    trained->policies = ARENA_NEW(l->arena, 1, const char *);
    TRY(arena_error(l->arena));
    trained->policies[0] = m->run;
    trained->n_policies = 1;
    row->name = m->name;
    eval->n_controllers++;
    TRY(policies_load(&l->policies, l->arena, l->x, c, l->order->config_path));
    m->digest = l->policies.sources[c][0].digest;
    return init_defender(m, l, row, &l->policies.teams[c].teams[0]);
}

/* ---- a best response of the attackers ---- */

/* Against the defenders with a share. */
static enum err init_raid(struct raid_training *t, struct league *l)
{
    const struct league_side *side = &l->sides[LEAGUE_DEFENDERS];
    struct defended *met = ARENA_NEW(l->arena, side->n, struct defended);
    uint64_t *digests = ARENA_NEW(l->arena, side->n, uint64_t);
    double *shares = ARENA_NEW(l->arena, side->n, double);
    TRY(arena_error(l->arena));
    t->mixture = (struct mixture){.shares = shares};
    for (int i = 0; i < side->n; i++) {
        if (side->shares[i] > 0.0) {
            met[t->mixture.n] = side->members[i].defended;
            digests[t->mixture.n] = side->members[i].digest;
            shares[t->mixture.n++] = side->shares[i];
        }
    }
    t->world = &l->world;
    t->defended = met;
    t->digests = digests;
    return raid_training_describe(t, l->arena);
}

static enum err train_attacker(struct league_member *m, struct league *l, uint64_t seed,
                               const char *about)
{
    struct raid_training *t = ARENA_NEW(l->arena, 1, struct raid_training);
    TRY(comm_agree(l->comm, arena_error(l->arena)));
    *t = (struct raid_training){.seed = seed, .dir = m->run, .about = about};
    TRY(comm_agree(l->comm, init_raid(t, l)));
    TRY(raid_training_run(l->comm, t, l->order->restart, l->arena));
    TRY(comm_agree(l->comm, raid_training_load(t, l->arena)));
    m->training = t;
    return comm_agree(l->comm, raider_new(&m->raider, l->arena, &l->world.attacker, &t->attacker));
}

/* ---- a round ---- */

static const char *const side_names[LEAGUE_SIDES] = {"defender", "attacker"};

static enum err train_candidate(struct league_member *m, struct league *l, int side, int round,
                                uint64_t seed)
{
    *m = (struct league_member){
        .round = round,
        .name = arena_printf(l->arena, "%s %d.%" PRIu64, side_names[side], round, seed),
        .run = arena_printf(l->arena, "%s/round-%d/%s-seed-%" PRIu64, l->order->dir, round,
                            side_names[side], seed)};
    TRY(comm_agree(l->comm, arena_error(l->arena)));
    const char *about = arena_printf(
        l->arena, "round %d of at most %d: %s, seed %" PRIu64 ", against the mixture of %s", round,
        l->x->cfg.league.rounds, side_names[side], seed,
        side == LEAGUE_DEFENDERS ? "attackers" : "defenders");
    TRY(comm_agree(l->comm, arena_error(l->arena)));
    if (side == LEAGUE_ATTACKERS) {
        return train_attacker(m, l, seed, about);
    }
    if (l->comm->rank == 0) {
        log_info("%s", about);
    }
    TRY(train_defender(l, seed, m->run));
    return comm_agree(l->comm, load_defender(m, l));
}

enum err league_train(struct league_member *candidates[LEAGUE_SIDES], struct league *l, int round)
{
    const struct league_cfg *c = &l->x->cfg.league;
    for (int side = 0; side < LEAGUE_SIDES; side++) {
        candidates[side] = ARENA_NEW(l->arena, c->n_seeds, struct league_member);
        TRY(comm_agree(l->comm, arena_error(l->arena)));
        for (int s = 0; s < c->n_seeds; s++) {
            TRY(train_candidate(&candidates[side][s], l, side, round, c->seeds[s]));
        }
    }
    return ERR_OK;
}
