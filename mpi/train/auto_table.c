/* Measuring the costs of a table, and choosing one. See auto_table.h. */
#include "mpi/train/auto_table.h"

#include "core/base/clock.h"
#include "core/base/log.h"
#include "proto/rollout_block.h"

#include <unistd.h>

int auto_table_provisional(const struct train_cfg *cfg, int size)
{
    return size > 1 && trainer_count_tiles(cfg) < size ? 1 : 0;
}

enum { N_SUMS = ENV_TEAMS_MAX * LEARNER_SUMS_MAX + 1 };

/* Sum number i, NULL if no learner has it. */
static const struct tree_sum *sum_at(const struct trainer *t, int i)
{
    const int team = i / LEARNER_SUMS_MAX, k = i % LEARNER_SUMS_MAX;
    if (t->n_learn == 0) {
        return NULL;
    }
    if (i == N_SUMS - 1) {
        return &t->episode_sum;
    }
    return team < t->spec->n_teams && k < t->learners[team]->n_sums ? &t->teams[team].sums[k]
                                                                    : NULL;
}

void auto_table_begin(struct auto_table_start *start, struct trainer *t)
{
    phases_times(&t->phases, &start->row);
    for (int i = 0; i < N_SUMS; i++) {
        start->totals[i] = sum_at(t, i) != NULL ? sum_at(t, i)->n_totals : 0.0;
    }
}

/* What one rank measured. */
struct sample {
    double simulate_s, update_s, rest_s; /* CPU time in all the updates */
    double all_s, cpu_s;                 /* wall-clock and CPU time, the latter without waits */
    double messages, bytes;
    double encode_s, block_bytes;
    double processors; /* that it has for itself */
    struct balance_sum sums[N_SUMS];
};

/* The least of three times in which the first block is encoded. */
static enum err time_block(struct sample *s, struct trainer *t)
{
    struct buf b;
    enum err e = ERR_OK;
    buf_init(&b);
    s->encode_s = 1e9;
    for (int i = 0; i < 3 && e == ERR_OK; i++) {
        const double start = clock_s();
        b.len = 0;
        e = codec_put_block(&b, trainer_blocks(t, 0, 0), t->spec, &t->scratch);
        const double took = clock_s() - start;
        s->encode_s = took < s->encode_s ? took : s->encode_s;
    }
    s->block_bytes = (double)b.len;
    buf_release(&b);
    return e;
}

static double cpu_since(const struct phase_row *now, const struct phase_row *before, enum phase k)
{
    return now->spent[k].cpu_s - before->spent[k].cpu_s;
}

static enum err take_sample(struct sample *s, struct trainer *t,
                            const struct auto_table_start *start)
{
    struct phase_row now;
    phases_times(&t->phases, &now);
    const double cores = (double)sysconf(_SC_NPROCESSORS_ONLN) / (t->peers.n_here + 1);
    *s = (struct sample){.simulate_s = cpu_since(&now, &start->row, PHASE_SIMULATE) +
                                       cpu_since(&now, &start->row, PHASE_INFER),
                         .update_s = cpu_since(&now, &start->row, PHASE_UPDATE),
                         .rest_s = cpu_since(&now, &start->row, PHASE_OTHER),
                         .processors = cores < 1.0 ? cores : 1.0};
    for (int k = 0; k < N_PHASES; k++) {
        s->all_s += now.spent[k].s - start->row.spent[k].s;
        s->cpu_s += k == PHASE_WAIT ? 0.0 : cpu_since(&now, &start->row, (enum phase)k);
    }
    s->messages = (double)(now.messages - start->row.messages);
    s->bytes = (double)(now.bytes - start->row.bytes);
    for (int i = 0; i < N_SUMS; i++) {
        const struct tree_sum *sum = sum_at(t, i);
        if (sum != NULL) {
            s->sums[i] = (struct balance_sum){sum->n_totals - start->totals[i], sum->op.bytes,
                                              sum->op.merge_part != NULL};
        }
    }
    return t->n_learn > 0 ? time_block(s, t) : ERR_OK;
}

/* Each update ends with one agreement on the rollout, one on the update, one to go on. */
enum { AGREEMENTS = 3 };

/* Rank 0 always learns. A block is decoded in about the time in which it is encoded. */
static struct balance_costs costs_of(const struct trainer *t, const struct sample *all,
                                     const struct loggp *net, int n)
{
    const int turns = t->learners[0]->turns;
    struct balance_costs c = {.n_tiles = t->owners.n_tiles,
                              .size = t->comm->size,
                              .pipeline = t->setup->train->pipeline,
                              .turns = turns > 0 && t->owners.n_tiles % turns == 0 ? turns : 1,
                              .rest_s = all[0].rest_s / n,
                              .block_s = all[0].encode_s + all[0].block_bytes * net->byte_s,
                              .n_agreements = AGREEMENTS,
                              .net = *net};
    for (int r = 0; r < c.size; r++) {
        c.simulate_s += all[r].simulate_s / n / c.n_tiles;
        c.update_s += all[r].update_s / n / c.n_tiles;
        c.processors += all[r].processors;
    }
    for (int i = 0; i < N_SUMS && c.n_sums < BALANCE_SUMS_MAX; i++) {
        if (all[0].sums[i].count > 0.0) {
            c.sums[c.n_sums] = all[0].sums[i];
            c.sums[c.n_sums++].count /= n;
        }
    }
    return c;
}

static void tell(const struct balance_table *b, const struct balance_costs *c)
{
    const double tile_ms = 1e3 * (c->simulate_s + c->update_s);
    log_info("train.learners auto: a tile takes %.2f ms of CPU, %.0f %% of it for learning",
             tile_ms, 100.0 * c->update_s / (c->simulate_s + c->update_s));
    if (b->learners == 0) {
        log_info("every rank simulates and learns (train.learners 0); predicted: %.1f ms an update",
                 1e3 * b->update_s);
    } else {
        log_info("%d of %d ranks learn, and simulate %d of %d tiles (train.learners %d, "
                 "train.learners_simulate %d); predicted: %.1f ms an update",
                 b->learners, c->size, b->simulated, c->n_tiles, b->learners, b->simulated,
                 1e3 * b->update_s);
    }
}

static struct balance_forecast measured_of(const struct sample *all, int size, int n)
{
    struct balance_forecast f = {.update_s = all[0].all_s / n};
    for (int r = 0; r < size; r++) {
        f.cpu_s = all[r].cpu_s / n > f.cpu_s ? all[r].cpu_s / n : f.cpu_s;
        f.messages += all[r].messages / n;
        f.bytes += all[r].bytes / n;
    }
    return f;
}

enum err auto_table_measure(struct trainer *t, const struct auto_table_start *start, int n)
{
    struct sample mine;
    struct loggp net;
    const enum err sampled = take_sample(&mine, t, start);
    const struct arena_mark mark = arena_mark(&t->scratch);
    struct sample *all = ARENA_NEW(&t->scratch, t->comm->size, struct sample);
    const enum err e = arena_error(&t->scratch);
    TRY(comm_agree(t->comm, sampled != ERR_OK ? sampled : e));
    TRY(loggp_measure(&net, t->comm, &t->scratch));
    TRY(comm_gather_all(t->comm, all, &mine, sizeof mine));
    t->costs = costs_of(t, all, &net, n);
    t->measured = measured_of(all, t->comm->size, n);
    arena_rewind(&t->scratch, mark);
    return ERR_OK;
}

enum err auto_table_choose(struct balance_table *out, const struct balance_costs *costs, bool tells)
{
    struct arena scratch;
    arena_init(&scratch);
    const enum err e = balance_choose(out, costs, &scratch);
    arena_release(&scratch);
    if (e == ERR_OK && tells) {
        tell(out, costs);
    }
    return e;
}
