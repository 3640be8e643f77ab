/* Rows, tables and the heat map of karma league. See league.h. */
#include "mpi/jobs/league_parts.h"

#include "core/base/csv.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/report/script.h"
#include "core/report/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SLO = offsetof(struct episode_metrics, slo_attainment) / sizeof(double) };
enum { VCPU = offsetof(struct episode_metrics, vcpu) / sizeof(double) };

static const char *const side_titles[LEAGUE_SIDES] = {"defender", "attacker"};

/* ---- rows ---- */

static enum err put_pair(struct csv *c, const struct league *l, int defender, int attacker)
{
    const struct eval_cfg *eval = &l->x->cfg.eval;
    for (int e = 0; e < eval->episodes; e++) {
        const double *v = league_values(l, defender, attacker, e);
        csv_text(c, l->sides[LEAGUE_DEFENDERS].members[defender].name);
        csv_text(c, l->sides[LEAGUE_ATTACKERS].members[attacker].name);
        csv_text(c, eval_split_name(eval));
        csv_int(c, eval->first + e);
        csv_num(c, v[LEAGUE_PAYOFF]);
        csv_num(c, v[SLO]);
        csv_num(c, v[VCPU]);
        csv_num(c, v[MATCH_REQUESTS]);
        TRY(csv_end_row(c));
    }
    return ERR_OK;
}

static enum err write_rows(const struct league *l)
{
    static const char *const columns[] = {"defender", "attacker",       "split", "episode",
                                          "reward",   "slo_attainment", "vcpu",  "attack_requests"};
    const char *path = file_join(l->arena, l->order->dir, "payoffs.csv");
    struct csv c;
    TRY(arena_error(l->arena));
    TRY(csv_create(&c, l->arena, path, columns, (int)(sizeof columns / sizeof *columns)));
    enum err e = ERR_OK;
    for (int i = 0; i < l->sides[LEAGUE_DEFENDERS].n; i++) {
        for (int j = 0; j < l->sides[LEAGUE_ATTACKERS].n && e == ERR_OK; j++) {
            e = put_pair(&c, l, i, j);
        }
    }
    e = e == ERR_OK ? csv_sync(&c) : e;
    csv_close(&c);
    return e;
}

/* ---- tables ---- */

/* "+0.012 [+0.004, +0.020], joined" */
static void put_gain(struct table *t, const struct league *l, const struct league_round *r,
                     int side)
{
    const struct stat_interval *g = &r->gain[side];
    const char *text = arena_printf(l->arena, "%+.4f [%+.4f, %+.4f]%s", g->value, g->lo, g->hi,
                                    r->joined[side] ? ", joined" : "");
    table_text(t, text != NULL ? text : "");
}

static enum err add_rounds(struct buf *out, const struct league *l, enum table_style style)
{
    static const char *const head[] = {"round",
                                       "value",
                                       "defenders (with a share)",
                                       "attackers (with a share)",
                                       "gain of the best new defender",
                                       "gain of the best new attacker"};
    struct table t;
    table_init(&t, l->arena, head, (int)(sizeof head / sizeof *head), 0);
    for (int i = 0; i < l->n_rounds; i++) {
        const struct league_round *r = &l->rounds[i];
        table_cell(&t, "%d", i + 1);
        table_cell(&t, "%.4f", r->value);
        for (int side = 0; side < LEAGUE_SIDES; side++) {
            table_cell(&t, "%d (%d)", r->n[side], r->support[side]);
        }
        for (int side = 0; side < LEAGUE_SIDES; side++) {
            put_gain(&t, l, r, side);
        }
    }
    return table_print(out, &t, style);
}

/* The mean of value k over the episodes and the mixture of the other side. */
static double against_mixture(const struct league *l, int side, int member, int k)
{
    const struct league_side *others = &l->sides[1 - side];
    const int n = l->x->cfg.eval.episodes;
    double sum = 0.0;
    for (int i = 0; i < others->n; i++) {
        for (int e = 0; e < n && others->shares[i] > 0.0; e++) {
            const double *v = side == LEAGUE_DEFENDERS ? league_values(l, member, i, e)
                                                       : league_values(l, i, member, e);
            sum += others->shares[i] * v[k] / n;
        }
    }
    return sum;
}

/* What each member does against the mixture of the other side. */
static enum err add_members(struct buf *out, const struct league *l, int side,
                            enum table_style style)
{
    const char *head[] = {side_titles[side], "share",     "reward",
                          "SLO attainment",  "mean vCPU", "attack requests / legitimate",
                          "directory"};
    struct table t;
    table_init(&t, l->arena, head, (int)(sizeof head / sizeof *head), 1);
    for (int i = 0; i < l->sides[side].n; i++) {
        const struct league_member *m = &l->sides[side].members[i];
        table_text(&t, m->name);
        table_cell(&t, "%.3f", l->sides[side].shares[i]);
        table_cell(&t, "%.4f", against_mixture(l, side, i, LEAGUE_PAYOFF));
        table_cell(&t, "%.3f", against_mixture(l, side, i, SLO));
        table_cell(&t, "%.2f", against_mixture(l, side, i, VCPU));
        table_cell(&t, "%.3f", against_mixture(l, side, i, MATCH_REQUESTS));
        table_text(&t, m->run[0] != '\0' ? m->run : "-");
    }
    return table_print(out, &t, style);
}

/* A wide league has its payoffs in payoffs.csv and in the figure alone. */
static enum err add_payoffs(struct buf *out, const struct league *l, enum table_style style)
{
    const struct league_side *d = &l->sides[LEAGUE_DEFENDERS], *a = &l->sides[LEAGUE_ATTACKERS];
    const char *head[TABLE_COLUMNS_MAX] = {"reward"};
    struct table t;
    if (a->n >= TABLE_COLUMNS_MAX) {
        return ERR_OK;
    }
    for (int j = 0; j < a->n; j++) {
        head[j + 1] = a->members[j].name;
    }
    table_init(&t, l->arena, head, a->n + 1, 1);
    for (int i = 0; i < d->n; i++) {
        table_text(&t, d->members[i].name);
        for (int j = 0; j < a->n; j++) {
            table_cell(&t, "%.4f", league_payoff(l, i, j));
        }
    }
    return table_print(out, &t, style);
}

static enum err print(struct buf *out, const struct league *l, enum table_style style)
{
    const struct experiment_cfg *c = &l->x->cfg;
    const struct league_round *last = &l->rounds[l->n_rounds - 1];
    const bool closed = !last->joined[0] && !last->joined[1];
    TRY(buf_printf(
        out,
        "League of defenders and attackers in scenario '%s'; payoff: mean reward of the defenders\n"
        "budget: %s, offered load at most %g of the capacity; view %s\n"
        "each training: %d updates of %d env-steps; %d trainings for a best response\n"
        "%s episodes, seed %" PRIu64 ": %d of %d s for each pair; gains on fresh episodes, "
        "[%g %% bootstrap interval over episodes]\n"
        "%s\n\n",
        c->scenarios[l->world.scenario].name, attack_world_budget(&l->world, l->arena),
        l->world.plant.attack_cap, cfg_choice_name(attacker_views, c->attacker.view),
        c->train.updates, c->train.envs * c->train.steps, c->league.n_seeds,
        eval_split_name(&c->eval), c->eval.seed, c->eval.episodes, l->world.all.n_seconds,
        100.0 * c->eval.confidence,
        closed ? "ended: no best response gains (each interval reaches 0)"
               : "ended by league.rounds: a best response still gained"));
    TRY(add_rounds(out, l, style));
    for (int side = 0; side < LEAGUE_SIDES; side++) {
        TRY(buf_printf(out, "\nAgainst the mixture of the other side (value %.4f)\n\n", l->value));
        TRY(add_members(out, l, side, style));
    }
    TRY(buf_printf(out, "\n"));
    return add_payoffs(out, l, style);
}

static enum err write_table(const struct league *l, const char *name, enum table_style style)
{
    const char *path = file_join(l->arena, l->order->dir, name);
    struct buf b;
    TRY(arena_error(l->arena));
    buf_init(&b);
    enum err e = print(&b, l, style);
    e = e == ERR_OK ? file_write(path, b.data, b.len) : e;
    if (e == ERR_OK && style == TABLE_TEXT) {
        fwrite(b.data, 1, b.len, stdout);
    }
    buf_release(&b);
    return e;
}

/* ---- the heat map ---- */

/* One row for each cell of the map. */
static enum err write_cells(const struct league *l, const char *dir)
{
    static const char *const columns[] = {"attacker", "defender", "reward"};
    const char *path = file_join(l->arena, dir, "payoffs.csv");
    struct csv c;
    TRY(arena_error(l->arena));
    TRY(csv_create(&c, l->arena, path, columns, 3));
    enum err e = ERR_OK;
    for (int i = 0; i < l->sides[LEAGUE_DEFENDERS].n; i++) {
        for (int j = 0; j < l->sides[LEAGUE_ATTACKERS].n && e == ERR_OK; j++) {
            csv_int(&c, j);
            csv_int(&c, i);
            csv_num(&c, league_payoff(l, i, j));
            e = csv_end_row(&c);
        }
    }
    e = e == ERR_OK ? csv_sync(&c) : e;
    csv_close(&c);
    return e;
}

/* Names along an axis, with the share of those that have one. */
static void put_tics(struct script *s, const struct league_side *side, const char *axis)
{
    script_put(s, "set %stics (", axis);
    for (int i = 0; i < side->n; i++) {
        const char *label =
            side->shares[i] > 0.0
                ? arena_printf(s->arena, "%s (%.2f)", side->members[i].name, side->shares[i])
                : side->members[i].name;
        script_put(s, "%s%s %d", i > 0 ? ", " : "", script_quoted(s, label != NULL ? label : ""),
                   i);
    }
    script_put(s, ")%s\n", axis[0] == 'x' ? " rotate by -35 left" : "");
}

/* Pixels left of the map: the longest name with its share, tics, and the label of the axis. */
static int names_width(const struct league_side *side)
{
    enum { GLYPH = 8, SHARE = 7, REST = 70 }; /* SHARE: letters of " (0.00)" */
    size_t longest = 0;
    for (int i = 0; i < side->n; i++) {
        const size_t length = strlen(side->members[i].name);
        longest = length > longest ? length : longest;
    }
    return REST + GLYPH * ((int)longest + SHARE);
}

/* The payoffs as numbers in the cells. */
static void put_numbers(struct script *s, const struct league *l)
{
    for (int i = 0; i < l->sides[LEAGUE_DEFENDERS].n; i++) {
        for (int j = 0; j < l->sides[LEAGUE_ATTACKERS].n; j++) {
            script_put(s, "set label '%.2f' at %d,%d center front font ',10'\n",
                       league_payoff(l, i, j), j, i);
        }
    }
}

/* A cell is a square of the size of the grid. From bad (orange) over white to good (blue) for the
 * defenders: colours that colour-blind readers can tell apart. */
static enum err write_figure(const struct league *l)
{
    enum { CELL = 56, RIGHT = 130, TOP = 50, BOTTOM = 170, NARROWEST = 640 };
    const struct league_side *d = &l->sides[LEAGUE_DEFENDERS], *a = &l->sides[LEAGUE_ATTACKERS];
    const int left = names_width(d);
    const int wide = left + CELL * a->n + RIGHT, height = TOP + CELL * d->n + BOTTOM;
    const int width = wide > NARROWEST ? wide : NARROWEST;
    const char *dir = file_join(l->arena, l->order->dir, "figures");
    struct script s;
    TRY(arena_error(l->arena));
    TRY(file_make_dirs(dir));
    TRY(write_cells(l, dir));
    script_begin(&s, l->arena, dir, "payoffs", width, height);
    script_put(
        &s,
        "set title 'Mean reward of the defenders (shares in brackets)'\nunset key\nunset grid\n");
    script_put(&s, "set lmargin at screen %g\nset rmargin at screen %g\n", (double)left / width,
               (double)(left + CELL * a->n) / width);
    script_put(&s, "set bmargin at screen %g\nset tmargin at screen %g\n", (double)BOTTOM / height,
               (double)(BOTTOM + CELL * d->n) / height);
    script_put(&s, "set xlabel 'attacker (name)'\n"
                   "set ylabel 'defender (name)'\n"
                   "set cblabel 'reward (per step)' offset 1,0\n"
                   "set format cb '%%.2f'\nset cbtics font ',10'\n"
                   "set palette defined (0 '#D55E00', 1 '#FFFFFF', 2 '#0072B2')\n");
    put_tics(&s, a, "x");
    put_tics(&s, d, "y");
    put_numbers(&s, l);
    script_put(&s, "set xrange [-0.5:%g]\nset yrange [-0.5:%g]\n", a->n - 0.5, d->n - 0.5);
    script_put(&s, "plot 'payoffs.csv' using 1:2:3 with points pt 5 ps 8 lc palette notitle\n");
    return script_finish(&s);
}

enum err league_report(const struct league *l)
{
    TRY(write_rows(l));
    TRY(write_figure(l));
    TRY(league_write_attackers(l));
    TRY(write_table(l, "league.md", TABLE_MARKDOWN));
    TRY(write_table(l, "league.txt", TABLE_TEXT));
    log_info("rows: %s/payoffs.csv, tables: %s/league.txt and league.md", l->order->dir,
             l->order->dir);
    log_info("figure: draw it with: karma figure %s", l->order->dir);
    return ERR_OK;
}
