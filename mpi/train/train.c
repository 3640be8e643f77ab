/* Training: the script of phases, and one update from rollout to broadcast. See train.h.
 *
 * Every function that is collective ends in comm_agree() or calls one that does, so all ranks
 * leave with the same error. Where a rank fails between two agreements, it goes on sending
 * what others wait for: an error in the place of each block (exchange_send_errors()), its part
 * in a tree sum. */
#include "mpi/train/train.h"

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/marl/mappo_learner.h"
#include "mpi/comm/stop.h"
#include "mpi/train/auto_table.h"
#include "mpi/train/dump.h"
#include "mpi/train/rehearsal.h"
#include "mpi/train/trainer.h"
#include "mpi/train/trainer_checkpoint.h"

#include <math.h>
#include <string.h>

enum err train_check(const struct train_cfg *cfg, int size)
{
    const int learners =
        cfg->learners == LEARNERS_AUTO ? auto_table_provisional(cfg, size) : cfg->learners;
    return owners_check(trainer_count_tiles(cfg), size, learners);
}

/* ---- one rollout: simulate, ship, receive ---- */

static void poll_comm(void *comm)
{
    comm_poll(comm);
}

/* Blocks (n_teams) that a tile is simulated into: mine to learn from, or spare ones that leave. */
static void choose_blocks(struct trainer *t, struct block **blocks, const struct rollout_tile *tile,
                          int set)
{
    const bool mine = t->owners.learn[tile->tile] == t->comm->rank;
    for (int k = 0; k < t->spec->n_teams; k++) {
        blocks[k] = NULL;
        if (exchange_wants(&t->exchange, k)) {
            blocks[k] = mine ? trainer_block(t, set, k, tile->tile) : &t->teams[k].spare;
            blocks[k]->n_env = tile->env->n_env;
        }
    }
}

/* Simulate one of my tiles; its blocks stay here or leave. *sent: how many of them have left, which
 * the caller must know after an error to send the right number of errors. */
static enum err simulate_tile(struct trainer *t, struct rollout_tile *tile, int set,
                              const struct rollout_cfg *cfg, int *sent)
{
    struct block *blocks[ENV_TEAMS_MAX];
    const int learner = t->owners.learn[tile->tile];
    *sent = 0;
    choose_blocks(t, blocks, tile, set);
    TRY(rollout_run(t->rollout, blocks, tile, cfg, t->update, trainer_stagger(t),
                    t->setup->train->envs));
    if (learner == t->comm->rank) {
        return ERR_OK;
    }
    const enum phase before = phases_enter(&t->phases, PHASE_SEND);
    for (int k = 0; k < t->spec->n_teams; k++) {
        if (blocks[k] != NULL) {
            TRY(exchange_send_block(&t->exchange, learner, blocks[k]));
            ++*sent;
        }
    }
    phases_enter(&t->phases, before);
    return ERR_OK;
}

/* After the first error the tiles that are left are not simulated; their learners get the error. */
static enum err simulate_all(struct trainer *t, int set, enum rollout_mode mode)
{
    const struct rollout_cfg cfg = {
        .seed = t->setup->train->seed,
        .mode = mode,
        .random_share = t->setup->train->clone.random_share,
        .poll = poll_comm,
        .poll_ctx = t->comm,
        .infer_s = &t->phases.infer_s,
    };
    const double start = clock_s();
    const enum phase before = phases_enter(&t->phases, PHASE_SIMULATE);
    enum err e = ERR_OK;
    for (int i = 0; e == ERR_OK && i < t->n_sim; i++) {
        int sent;
        e = simulate_tile(t, &t->tiles[i], set, &cfg, &sent);
        if (e != ERR_OK) {
            exchange_send_errors(&t->exchange, &t->owners, i, sent, e);
        }
    }
    phases_enter(&t->phases, before);
    t->log.time.rollout += clock_s() - start;
    return e;
}

/* Blocks come of those tiles that I learn and another rank simulates. A rank that learns nothing
 * waits for none. */
static enum err receive_all(struct trainer *t, int set)
{
    struct block *blocks = trainer_blocks(t, set, 0);
    int n_tiles = 0;
    for (int i = 0; i < t->n_learn; i++) {
        n_tiles += t->owners.sim[blocks[i].tile] != t->comm->rank;
    }
    const enum phase before = phases_enter(&t->phases, PHASE_SEND);
    const enum err e =
        exchange_receive_blocks(&t->exchange, blocks, t->spec->n_teams * t->n_learn,
                                n_tiles * exchange_per_tile(&t->exchange), t->update);
    phases_enter(&t->phases, before);
    return e;
}

/* All tiles advance T steps; the blocks of `set` are full where they are learned.
 * Collective. t->update, a coordinate of all draws of a rollout, grows on every rank, so it
 * stays equal everywhere. */
static enum err rollout_all(struct trainer *t, int set, enum rollout_mode mode)
{
    enum err e = simulate_all(t, set, mode);
    if (e == ERR_OK) {
        e = receive_all(t, set);
    }
    t->update++;
    return comm_agree(t->comm, e);
}

/* ---- one update ---- */

static struct learn_args learn_args(enum learn_phase phase, double progress)
{
    return (struct learn_args){.phase = phase, .progress = progress, .lr = -1.0, .lr_end = -1.0};
}

/* What the episodes that ended in this rollout leave behind, summed along the tile tree: the
 * same floats for any number of ranks. A leaf has n_stats sums and counts (block.h) and the
 * number of episodes, which a float holds exactly up to 2^24; it contains an older leaf's
 * numbers before it is cleared. */
static enum err sum_episodes(struct trainer *t, int set)
{
    const struct reducer r = t->episodes;
    const int n_stats = block_n_stats(t->spec, 0);
    for (int i = 0; i < t->n_learn; i++) {
        const struct block *b = &trainer_blocks(t, set, 0)[i];
        float *leaf = reduce_floats(r.leaf(r.ctx, b->tile));
        memset(leaf, 0, r.bytes);
        for (int k = 0; k < n_stats; k++) {
            leaf[k] = (float)b->stats[k];
        }
        leaf[n_stats] = (float)b->n_episodes;
        r.leaf_done(r.ctx, b->tile);
    }
    TRY(r.total(r.ctx, t->total));
    memcpy(t->log.episodes, reduce_floats(t->total), ((size_t)n_stats + 1) * sizeof(float));
    return ERR_OK;
}

/* train.opponent: alternating. The teams learn by turns of so many updates, the first one first. */
static bool rests(const struct trainer *t, enum learn_phase phase, int team)
{
    const struct train_cfg *cfg = t->setup->train;
    return phase == LEARN_ALL && cfg->opponent == OPPONENT_ALTERNATING &&
           (t->learning - 1) / cfg->opponent_updates % t->spec->n_teams != team;
}

/* A team that rests has no numbers of an update. */
static void tell_rest(struct learn_stats *s)
{
    *s = (struct learn_stats){.reward = (double)NAN,
                              .entropy = (double)NAN,
                              .entropy_least = (double)NAN,
                              .entropy_agent = -1};
    for (int i = 0; i < LEARNER_COLUMNS_MAX; i++) {
        s->columns[i] = (double)NAN;
    }
}

/* One team after the other, so that their sums do not meet. A row of metrics.csv counts the
 * episodes of its update. */
static enum err learn_teams(struct trainer *t, int set, const struct learn_args *args)
{
    if (args->phase == LEARN_ALL) {
        TRY(sum_episodes(t, set));
    }
    for (int k = 0; k < t->spec->n_teams; k++) {
        struct learner *l = t->learners[k];
        const bool cloned =
            args->phase == LEARN_CLONE && k > 0; /* only team 0 is shown what to do */
        if (rests(t, args->phase, k)) {
            tell_rest(&t->log.stats[k]);
        } else if (learner_learns(l) && !cloned) {
            TRY(l->ops->learn(l, trainer_blocks(t, set, k), args, &t->log.stats[k]));
        }
    }
    return ERR_OK;
}

/* Learners improve the weights with the blocks of `set`. Collective. Ranks that only simulate go
 * straight to the agreement and wait there. */
static enum err learn_as(struct trainer *t, int set, const struct learn_args *args)
{
    const double start = clock_s();
    const enum phase before = phases_enter(&t->phases, PHASE_UPDATE);
    const enum err e = t->n_learn > 0 ? learn_teams(t, set, args) : ERR_OK;
    phases_enter(&t->phases, before);
    t->log.time.learn += clock_s() - start;
    return comm_agree(t->comm, e);
}

static enum err learn(struct trainer *t, int set, enum learn_phase phase, double progress)
{
    const struct learn_args args = learn_args(phase, progress);
    return learn_as(t, set, &args);
}

/* The update that --dump-update names. Its only learner (dump_check) writes it. Collective. */
static enum err learn_and_dump(struct trainer *t, double progress)
{
    struct dump dump = {.adam_t = 0};
    const bool mine = t->n_learn > 0;
    struct mappo_learner *m = mappo_of(t->learners[0]);
    const struct dump_parts parts = {.learner = m,
                                     .blocks = trainer_blocks(t, 0, 0),
                                     .n_blocks = t->n_learn,
                                     .n_env = t->setup->train->envs,
                                     .n_stats = t->spec->n_stats,
                                     .seed = t->setup->train->seed};
    TRY(comm_agree(t->comm, mine ? dump_begin(&dump, m) : ERR_OK));
    enum err e = learn(t, 0, LEARN_ALL, progress);
    if (mine && e == ERR_OK) {
        e = dump_end(&dump, &parts, t->opt);
    }
    if (mine) {
        dump_release(&dump);
    }
    return comm_agree(t->comm, e);
}

/* ---- the script ---- */

/* Rank 0's weights reach everybody. Where all ranks learn, all have them: each has made the same
 * step from the same sum. train_run() compares the digests at the end. Collective. */
static enum err broadcast(struct trainer *t)
{
    if (t->owners.n_learners == t->comm->size) {
        return ERR_OK;
    }
    const enum phase before = phases_enter(&t->phases, PHASE_BROADCAST);
    const enum err e = exchange_weights(&t->exchange);
    phases_enter(&t->phases, before);
    return e;
}

/* Collective. A signal reaches ranks at different moments; one that has it is enough. */
static enum err go_on(struct trainer *t)
{
    return comm_agree(t->comm, stop_requested() ? ERR_STOPPED : ERR_OK);
}

static enum err warm_up(struct trainer *t)
{
    TRY(rollout_all(t, 0, ROLLOUT_POLICY));
    TRY(learn(t, 0, LEARN_WARMUP, 0));
    return broadcast(t);
}

/* Collective. One step of cloning is done. */
static enum err end_step(struct trainer *t)
{
    trainlog_step(&t->log);
    return go_on(t);
}

/* Fills every set with demonstrations. The sets are kept, so that each pass of cloning sees
 * all of them. */
static enum err demonstrate(struct trainer *t, int sets)
{
    for (int set = 0; set < sets; set++) {
        TRY(rollout_all(t, set, ROLLOUT_DEMONSTRATE));
        TRY(learn(t, set, LEARN_WARMUP, 0));
        TRY(broadcast(t)); /* the next rollout sees the row statistics */
        TRY(end_step(t));
    }
    return ERR_OK;
}

/* Demonstrations, then passes over them, then value-only updates of the critic: in the passes it
 * learns the returns of the rule, not yet those of the team. The passes need no exchange of
 * weights: learners read blocks that they have, and nobody simulates meanwhile. Progress runs from
 * 0 to (passes - 1) / passes, along which the step size falls from lr to lr / 10. */
static enum err clone_rule(struct trainer *t)
{
    const struct clone_cfg *cfg = &t->setup->train->clone;
    const int sets = train_clone_rollouts(t->setup->train);
    trainlog_phase(&t->log, "clone", cfg->passes + sets + cfg->value_updates, 0);
    TRY(demonstrate(t, sets));
    for (int pass = 0; pass < cfg->passes; pass++) {
        struct learn_args args = learn_args(LEARN_CLONE, (double)pass / cfg->passes);
        args.lr = cfg->lr;
        args.lr_end = cfg->lr / 10;
        for (int set = 0; set < sets; set++) {
            TRY(learn_as(t, set, &args));
        }
        TRY(end_step(t));
    }
    TRY(broadcast(t));
    for (int i = 0; i < cfg->value_updates; i++) {
        TRY(rollout_all(t, 0, ROLLOUT_POLICY));
        TRY(learn(t, 0, LEARN_VALUE, 0));
        TRY(broadcast(t));
        TRY(end_step(t));
    }
    return ERR_OK;
}

/* What precedes the first update, and a checkpoint of it. Collective. */
static enum err prepare(struct trainer *t)
{
    TRY(t->setup->train->init == INIT_SCRATCH ? warm_up(t) : clone_rule(t));
    TRY(go_on(t));
    if (t->before != NULL) {
        TRY(comm_agree(t->comm, trainer_remember(t)));
    }
    return t->setup->train->checkpoint_every > 0 ? trainer_save(t, 0) : ERR_OK;
}

/* The set that holds the rollout which update u learns from. In a pipeline update u reads one of
 * two sets while the rollout of update u + 1 fills the other. */
static int set_of(const struct trainer *t, int u)
{
    return t->before == NULL ? 0 : u % 2;
}

/* Update u from its rollout. Collective. */
static enum err learn_update(struct trainer *t, int u)
{
    const int set = set_of(t, u);
    const double progress = (double)(u - 1) / t->setup->train->updates;
    t->learning = u;
    return u == t->opt->dump_update ? learn_and_dump(t, progress)
                                    : learn(t, set, LEARN_ALL, progress);
}

/* train.pipeline 0: one after the other. Collective. */
static enum err update_in_turn(struct trainer *t, int u)
{
    TRY(trainer_enter(t, u));
    TRY(rollout_all(t, set_of(t, u), ROLLOUT_POLICY));
    TRY(learn_update(t, u));
    return broadcast(t);
}

/* train.pipeline 1: simulating ranks are at the rollout of update u + 1 while learners make update
 * u; a rank that does both simulates first, with the same weights. Collective.
 *
 * Why the weights do not depend on the ranks: the rollout of u + 1 acts everywhere with the
 * weights after update u - 1, because broadcast() comes at the end, whether a rank
 * simulates before or while others learn. Why nobody waits for ever: sends do not block, so
 * simulating ranks reach the agreement without a receiver; blocks wait in the messages until
 * receive_all(), after update u, asks for them. trainer_remember() keeps what the rollout starts
 * from, for a checkpoint of update u. */
static enum err update_ahead(struct trainer *t, int u)
{
    const bool ahead = u < t->setup->train->updates;
    enum err e = ERR_OK;
    if (ahead) {
        TRY(comm_agree(t->comm, trainer_remember(t)));
        TRY(trainer_enter(t, u + 1));
        e = simulate_all(t, set_of(t, u + 1), ROLLOUT_POLICY);
    }
    const enum err learned = learn_update(t, u); /* others count on this rank, whatever e is */
    TRY(comm_agree(t->comm, learned == ERR_OK ? e : learned));
    if (ahead) {
        e = receive_all(t, set_of(t, u + 1));
        t->update++;
        TRY(comm_agree(t->comm, e));
    }
    return broadcast(t);
}

/* Learned weights and those that the rollout ahead acts with change places: the structs that
 * point to the arrays are exchanged, not the arrays. What a learner derives from its weights
 * is made anew. */
static void swap_acting(struct trainer *t)
{
    for (int k = 0; k < t->spec->n_teams; k++) {
        struct weights *w = t->learners[k]->w;
        const struct weights before = *w;
        *w = t->teams[k].acting;
        t->teams[k].acting = before;
        learner_refresh(t->learners[k]);
    }
}

/* The rollout that is ahead of update `done` + 1, made for the first time or, after a resume,
 * again: with the weights it acted with then. Collective. Before the first update both are the same
 * weights (trainer_remember() in prepare()); after a resume the checkpoint has brought the acting
 * ones, and t->update counts the rollouts before this one, so the draws are the same again. */
static enum err start_ahead(struct trainer *t, int done)
{
    swap_acting(t);
    enum err e = trainer_enter(t, done + 1);
    if (e == ERR_OK) {
        e = rollout_all(t, set_of(t, done + 1), ROLLOUT_POLICY);
    }
    swap_acting(t);
    return e;
}

/* go_on() and the agreement on `mine` in one, because an update of a few milliseconds notices each
 * collective. ERR_STOPPED is the largest error: it could hide another one, so ranks that learn of a
 * request ask once more. Collective. */
static enum err agree_or_stop(struct trainer *t, enum err mine, bool may_stop)
{
    const bool stop = mine == ERR_OK && may_stop && stop_requested();
    enum err e = comm_agree(t->comm, stop ? ERR_STOPPED : mine);
    if (e == ERR_STOPPED) {
        const enum err other = comm_agree(t->comm, mine);
        e = other == ERR_OK ? ERR_STOPPED : other;
    }
    return e;
}

static bool checkpoint_due(const struct trainer *t, int u)
{
    const int every = t->setup->train->checkpoint_every;
    return every > 0 && (u % every == 0 || trainer_ends_stage(t, u));
}

/* Row, evaluation, checkpoint, in this order: a checkpoint of update u counts on the rows up to u.
 * At the end of a stage one is due, because the next stage may begin with long work. A request to
 * stop makes a checkpoint even where none is due, so nothing is done twice. After the last update
 * there is nothing to go on with: the policy is written and the run is done. Collective. */
static enum err end_update(struct trainer *t, int u)
{
    enum err e = trainlog_update(&t->log, u);
    if (convergence_due(&t->convergence, u)) {
        TRY(comm_agree(t->comm, e));
        e = convergence_update(&t->convergence, u);
    }
    trainlog_restart_clock(&t->log);
    stop_at(u);
    const bool last = u == t->setup->train->updates;
    e = agree_or_stop(t, e, !last);
    if (e == ERR_STOPPED || (e == ERR_OK && checkpoint_due(t, u) && !last)) {
        TRY(trainer_save(t, u));
    }
    return e;
}

/* The first updates, of which the costs are wanted. With a checkpoint of the last one another
 * trainer can go on. Collective. */
static enum err measure_updates(struct trainer *t, int done)
{
    struct auto_table_start start;
    const int last = done + t->measures;
    auto_table_begin(&start, t);
    for (int u = done + 1; u <= last; u++) {
        TRY(t->before == NULL ? update_in_turn(t, u) : update_ahead(t, u));
        TRY(u < last ? end_update(t, u) : auto_table_measure(t, &start, t->measures));
    }
    TRY(end_update(t, last));
    return checkpoint_due(t, last) ? ERR_OK : trainer_save(t, last);
}

/* The updates that are left after `done`. All ranks make the same calls, since both numbers are
 * equal on all. */
static enum err improve(struct trainer *t, int done)
{
    const int updates = t->setup->train->updates;
    t->measures = updates - done > t->measures ? t->measures : 0;
    if (t->measures == 0 || convergence_due(&t->convergence, done + 1)) {
        TRY(convergence_begin(&t->convergence, done));
    }
    trainlog_phase(&t->log, "train", updates, done);
    if (t->before != NULL && done < updates) {
        TRY(start_ahead(t, done));
    }
    if (t->measures > 0) {
        return measure_updates(t, done);
    }
    for (int u = done + 1; u <= updates; u++) {
        TRY(t->before == NULL ? update_in_turn(t, u) : update_ahead(t, u));
        TRY(end_update(t, u));
    }
    return ERR_OK;
}

/* ---- entry ---- */

/* Signals and lost ranks: who is where, last words, and waits that end. Collective. */
static enum err stand_guard(struct trainer *t)
{
    TRY(peers_init(&t->peers, &t->arena, t->comm));
    const char *status = file_join(&t->arena, t->setup->run_dir, "status");
    TRY(comm_agree(t->comm, status == NULL ? ERR_MEMORY : ERR_OK));
    stop_last_words(&t->peers, status, t->setup->train->updates);
    comm_watch(t->comm, peers_watch, &t->peers);
    return ERR_OK;
}

static void stand_down(struct trainer *t)
{
    comm_watch(t->comm, NULL, NULL);
    stop_forget();
}

/* The training, or the rest of it, with its files. Collective. A stop before the first update
 * leaves no checkpoint and no policy; a stop later is an orderly end, whose files are written as
 * those of a run that is done. */
static enum err run_logged(struct trainer *t, int done)
{
    enum err e = ERR_OK;
    if (done == TRAINLOG_NEW) {
        e = prepare(t);
        done = e == ERR_OK ? 0 : TRAINLOG_NEW;
    }
    if (e == ERR_OK) {
        e = improve(t, done);
    }
    if (e == ERR_OK && t->measures > 0) {
        trainlog_pause(&t->log);
    } else if (e == ERR_STOPPED && done == TRAINLOG_NEW) {
        trainlog_unprepared(&t->log);
    } else if (e == ERR_OK || e == ERR_STOPPED) {
        enum err saved = trainlog_finish(&t->log, e == ERR_STOPPED);
        saved = saved == ERR_OK && e == ERR_OK ? convergence_tell(&t->convergence) : saved;
        TRY(comm_agree(t->comm, saved));
        const bool ended = e == ERR_OK; /* who stops a run wants a single message */
        saved = comm_agree(t->comm, phases_report(&t->phases, &t->arena, &t->log.dir, ended));
        e = saved == ERR_OK ? e : saved;
    }
    return e;
}

/* ERR_STOPPED is no failure. After a lost rank the status gets last words that say which one; after
 * ERR_BUSY nothing may be written, because the directory is another process's by now. */
static enum err run(struct trainer *t)
{
    int done = TRAINLOG_NEW;
    if (t->opt->resume) {
        TRY(trainer_load(t, &done));
        stop_at(done);
    }
    phases_begin(&t->phases, t->comm);
    const enum err opened = trainlog_open(&t->log, &t->arena, t->comm, t->setup, t->learners, done);
    enum err e = comm_agree(t->comm, opened);
    if (e == ERR_OK) {
        e = run_logged(t, done);
    }
    if (e == ERR_PEER && t->peers.lost >= 0) {
        stop_lost(t->peers.lost);
    } else if (e != ERR_OK && e != ERR_STOPPED && e != ERR_BUSY) {
        /* ERR_BUSY: the directory is another process's by now */
        trainlog_fail(&t->log, e);
    }
    trainlog_close(&t->log);
    return e;
}

/* With a rank lost the others can neither agree nor leave together, so the job is aborted; the
 * lock is removed before, as nobody comes back to do it. */
static enum err run_guarded(struct trainer *t)
{
    enum err e = stand_guard(t);
    e = e == ERR_OK ? run(t) : e;
    if (e == ERR_PEER) {
        if (t->setup->lock != NULL) {
            lock_abandon(t->setup->lock);
        }
        comm_abort(err_exit_code(e)); /* with a rank lost nobody can leave together */
    }
    stand_down(t);
    return e;
}

/* At the end all ranks compare the digest of their weights. */
static enum err finish(struct trainer *t, uint64_t *digest)
{
    *digest = trainer_digest(t);
    log_info("memory of rank %d: %.1f MiB resident at most", t->comm->rank,
             (double)mem_resident_most() / (1 << 20));
    return comm_same_u64(t->comm, "digest of the weights", *digest);
}

/* Local, rank 0. Ranks without a tile cost processors and do nothing but wait. */
static void tell_idle(const struct trainer *t)
{
    const struct owners *o = &t->owners;
    int n_idle = 0;
    for (int rank = 0; rank < o->size; rank++) {
        bool busy = false;
        for (int tile = 0; tile < o->n_tiles && !busy; tile++) {
            busy = o->sim[tile] == rank || o->learn[tile] == rank;
        }
        n_idle += !busy;
    }
    if (n_idle > 0) {
        log_warn("%d of %d ranks have nothing to do: %d environments (train.envs) are %d tile%s, "
                 "the unit of work; start fewer ranks, or set train.envs higher",
                 n_idle, o->size, t->setup->train->envs, o->n_tiles, o->n_tiles == 1 ? "" : "s");
    }
}

/* One trainer from beginning to end, or, if t->measures, until the costs are known. */
static enum err train_with(struct trainer *t, uint64_t *digest)
{
    enum err e = comm_agree(t->comm, trainer_init(t));
    if (e == ERR_OK && t->opt->dry_run) {
        e = comm_agree(t->comm, rehearsal_run(t));
    } else if (e == ERR_OK) {
        if (t->measures == 0 && t->comm->rank == 0) {
            tell_idle(t);
        }
        e = run_guarded(t);
        e = e == ERR_OK && t->measures == 0 ? finish(t, digest) : e;
    }
    trainer_release(t);
    return e;
}

/* train.learners: auto. A dump needs one learner, so there is nothing to choose. */
static enum err train_auto(struct comm *comm, uint64_t *digest, const struct train_setup *setup,
                           const struct train_options *opt)
{
    struct train_cfg cfg = *setup->train;
    struct train_setup own = *setup;
    struct train_options resumed = *opt;
    struct trainer first = {.comm = comm, .setup = &own, .opt = opt};
    const bool chooses = opt->dump_update == 0 && !opt->dry_run && comm->size > 1;
    own.train = &cfg;
    cfg.learners_simulate = 0;
    cfg.learners = opt->dump_update > 0 ? 1 : auto_table_provisional(&cfg, comm->size);
    first.measures = chooses ? 1 : 0;
    TRY(train_with(&first, digest));
    if (first.measures == 0) {
        return ERR_OK;
    }
    struct balance_table chosen;
    TRY(comm_agree(comm, auto_table_choose(&chosen, &first.costs, comm->rank == 0)));
    cfg.learners = chosen.learners;
    cfg.learners_simulate = chosen.simulated;
    resumed.resume = true;
    struct trainer second = {.comm = comm, .setup = &own, .opt = &resumed};
    return train_with(&second, digest);
}

enum err train_run(struct comm *comm, uint64_t *digest, const struct train_setup *setup,
                   const struct train_options *opt)
{
    struct trainer t = {.comm = comm, .setup = setup, .opt = opt};
    return setup->train->learners == LEARNERS_AUTO ? train_auto(comm, digest, setup, opt)
                                                   : train_with(&t, digest);
}

enum err train_measure(struct comm *comm, struct train_measured *out,
                       const struct train_setup *setup)
{
    static const struct train_options none;
    struct trainer t = {
        .comm = comm, .setup = setup, .opt = &none, .measures = setup->train->updates - 1};
    uint64_t digest;
    CHECK(setup->train->updates > 1 && setup->train->learners != LEARNERS_AUTO);
    TRY(train_with(&t, &digest));
    *out = (struct train_measured){.costs = t.costs, .update = t.measured};
    return ERR_OK;
}
