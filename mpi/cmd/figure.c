/* karma figure: runs gnuplot on every script of a directory. It has no ranks, since it starts
 * another program. */
#include "core/report/figure.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "mpi/cmd/commands.h"
#include "mpi/cmd/spawn.h"
#include "mpi/comm/locking.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option_row rows[] = {OPTION_END};
static const struct operand_row operand_rows[] = {
    {"DIR", "run directory of eval, or directory that simulate wrote", 1, 1},
    OPERAND_END,
};
static const struct command_line line = {
    "karma figure",
    "Draws the figures of a directory: runs gnuplot on DIR/*.gp and DIR/figures/*.gp, which "
    "leaves "
    "NAME.svg and NAME.png beside each script. Adds the learning curve of DIR/metrics.csv and, of "
    "a training "
    "under an organisation, how far its agents complied with their roles.",
    rows, operand_rows, 1};

/* ---- scripts ---- */

enum { SCRIPTS_MAX = 256 };

struct scripts {
    const char *dir[SCRIPTS_MAX], *name[SCRIPTS_MAX]; /* NAME without .gp */
    int n;
};

/* By name, so that the output has one order on every file system. One step of an insertion sort:
 * the names from `first` to the end ascend before and after it. Only names move, because all
 * scripts from `first` on lie in the same directory. */
static enum err add_script(struct scripts *s, struct arena *arena, const char *dir,
                           const char *file, int first)
{
    char *name = arena_strdup(arena, file);
    TRY(arena_error(arena));
    if (s->n == SCRIPTS_MAX) {
        log_error("%s: more than %d scripts", dir, SCRIPTS_MAX);
        return ERR_FAILED;
    }
    name[strlen(name) - strlen(".gp")] = '\0';
    int i = s->n++;
    for (; i > first && strcmp(name, s->name[i - 1]) < 0; i--) {
        s->name[i] = s->name[i - 1];
    }
    s->name[i] = name;
    s->dir[s->n - 1] = dir;
    return ERR_OK;
}

static bool is_script(const char *file)
{
    const size_t n = strlen(file);
    return n > 3 && file[0] != '.' && strcmp(file + n - 3, ".gp") == 0;
}

/* Adds the scripts of `dir` behind those that are there. A directory that does not exist has
 * none. */
static enum err find_scripts(struct scripts *s, struct arena *arena, const char *dir)
{
    DIR *d = opendir(dir);
    if (d == NULL) {
        return ERR_OK; /* no figures there */
    }
    enum err e = ERR_OK;
    const int first = s->n;
    for (const struct dirent *entry; e == ERR_OK && (entry = readdir(d)) != NULL;) {
        if (is_script(entry->d_name)) {
            e = add_script(s, arena, dir, entry->d_name, first);
        }
    }
    closedir(d);
    return e;
}

/* ---- gnuplot ---- */

/* In the directory of the script, whose file names are relative. */
static enum err run_gnuplot(const char *dir, const char *script, struct arena *arena)
{
    char program[] = "gnuplot";
    char *argv[] = {program, (char *)(uintptr_t)script, NULL};
    const char *stays = arena_printf(arena, "scripts and data stay in %s", dir);
    const char *on = arena_printf(arena, "%s/%s", dir, script);
    TRY(arena_error(arena));
    return spawn_run(argv, dir, "gnuplot-nox", stays, on);
}

/* Scripts are UTF-8, whatever the user's locale is: in another one gnuplot warns of characters that
 * it cannot convert. Numbers get a decimal point. */
static enum err set_locale_of_scripts(void)
{
    if (setenv("LC_ALL", "C.UTF-8", 1) != 0) {
        log_error("cannot set LC_ALL for gnuplot: %s", strerror(errno));
        return ERR_MEMORY;
    }
    return ERR_OK;
}

static enum err draw_all(const struct scripts *s, struct arena *arena)
{
    TRY(set_locale_of_scripts());
    for (int i = 0; i < s->n; i++) {
        const char *script = arena_printf(arena, "%s.gp", s->name[i]);
        TRY(arena_error(arena));
        TRY(run_gnuplot(s->dir[i], script, arena));
        printf("%s/%s.svg\n%s/%s.png\n", s->dir[i], s->name[i], s->dir[i], s->name[i]);
    }
    return ERR_OK;
}

/* First the scripts that are made from DIR/metrics.csv of a training, then all that are there. Data
 * files are named relative to the script, so a directory may be moved. */
static enum err find_and_draw(const char *dir, struct arena *arena)
{
    struct scripts s = {0};
    const char *figures = file_join(arena, dir, "figures");
    const char *metrics = file_join(arena, dir, "metrics.csv");
    TRY(arena_error(arena));
    if (file_exists(metrics)) {
        TRY(file_make_dirs(figures));
        TRY(figure_learning(figures, "../metrics.csv", metrics, arena));
        TRY(figure_org_metrics(figures, "../metrics.csv", metrics, arena));
    }
    TRY(find_scripts(&s, arena, dir));
    TRY(find_scripts(&s, arena, figures));
    if (s.n == 0) {
        log_error("%s: there is nothing to draw; karma train, eval and simulate write what can be",
                  dir);
        return ERR_USAGE;
    }
    return draw_all(&s, arena);
}

/* One process draws. It takes a lock of its own: a training under way may be drawn. The lock file
 * is DIR/figure.lock. Two calls on one directory would write the same pictures. */
static enum err draw_dir(const char *dir, struct arena *arena)
{
    struct lock lock = {.fd = -1};
    const char *drawing = file_join(arena, dir, "figure");
    TRY(arena_error(arena));
    if (file_is_dir(dir)) {
        TRY(locking_guest_file(&lock, NULL, drawing, "karma figure", NULL));
    }
    const enum err e = find_and_draw(dir, arena);
    locking_end(&lock);
    return e;
}

static enum err run(const struct call *c)
{
    return draw_dir(c->operands[0], c->arena);
}

enum err command_figure(int argc, char **argv)
{
    char none = 0; /* no options */
    return command_call(&line, &none, run, argc, argv);
}
