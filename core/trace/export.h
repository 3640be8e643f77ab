/* From a store to one tidy table: a row for each episode, time and service, SI units, Prometheus'
 * names (column_def.h), and a row with an empty service for what belongs to the whole application:
 * offered load, the attacker's action, what was true. Actions and load stand in the row of the
 * decision, what followed is the next row; the last row of an episode has none. A value that was
 * not measured is an empty cell. A learned policy is called NAME@DIGEST, after its weights: a store
 * may have episodes of several policies of one name.
 *
 * Reading the table back (import.h) gives the same arrays, bit by bit; what is lost is what only
 * the header and the identity say: topology, origin, digests of settings.
 */
#ifndef KARMA_TRACE_EXPORT_H
#define KARMA_TRACE_EXPORT_H

#include "core/trace/store.h"

/* Replaces the file `path`. ERR_FORMAT if a column is no metric of column_def.h. */
enum err export_table(const char *path, struct store *s, struct arena *arena) WARN_UNUSED;

#endif
