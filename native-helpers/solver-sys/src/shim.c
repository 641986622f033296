/* What libsolv's headers have as macros, inline functions and fields of structures. Nothing is decided here. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <solv/chksum.h>
#include <solv/knownid.h>
#include <solv/pool.h>
#include <solv/poolarch.h>
#include <solv/repo.h>
#include <solv/repo_solv.h>
#include <solv/repo_write.h>
#include <solv/solvable.h>
#include <solv/solver.h>

/* In the order of `Text`, `Number` and `Relation` in keys.rs. */
static const Id keys[] = {
    SOLVABLE_SUMMARY, SOLVABLE_DESCRIPTION, SOLVABLE_PACKAGER, SOLVABLE_URL, SOLVABLE_LICENSE, SOLVABLE_GROUP, SOLVABLE_MEDIABASE,
    SOLVABLE_BUILDTIME, SOLVABLE_DOWNLOADSIZE, SOLVABLE_INSTALLSIZE,
    SOLVABLE_PROVIDES, SOLVABLE_REQUIRES, SOLVABLE_CONFLICTS, SOLVABLE_OBSOLETES, SOLVABLE_RECOMMENDS, SOLVABLE_SUGGESTS,
    SOLVABLE_SUPPLEMENTS, SOLVABLE_ENHANCES,
};

Id osw_key(int key) { return keys[key]; }
int osw_strings(const Pool *pool) { return pool->ss.nstrings; }
int osw_relations(const Pool *pool) { return pool->nrels; }
int osw_solvables(const Pool *pool) { return pool->nsolvables; }

/* Parts of a relation. */
Reldep osw_relation(const Pool *pool, Id id) { return *GETRELDEP(pool, id); }

/* The repository of a solvable: none for those that are no packages. */
Repo *osw_repo(const Pool *pool, Id p) { return pool->solvables[p].repo; }

void osw_set_priority(Repo *repo, int priority, int subpriority)
{
  repo->priority = priority;
  repo->subpriority = subpriority;
}

void osw_set_package(Pool *pool, Id p, Id name, Id arch, Id evr, Id vendor)
{
  Solvable *s = pool_id2solvable(pool, p);
  s->name = name;
  s->arch = arch;
  s->evr = evr;
  s->vendor = vendor;
}

/* Name, architecture, version, vendor. */
Id osw_field(const Pool *pool, Id p, int field)
{
  const Solvable *s = pool->solvables + p;
  const Id fields[] = { s->name, s->arch, s->evr, s->vendor };
  return fields[field];
}

void osw_add_dependency(Pool *pool, Id p, Id key, Id dependency, Id marker)
{
  solvable_add_deparray(pool_id2solvable(pool, p), key, dependency, marker);
}

void osw_dependencies(Pool *pool, Id p, Id key, Id marker, Queue *queue)
{
  solvable_lookup_deparray(pool_id2solvable(pool, p), key, queue, marker);
}

const char *osw_location(Pool *pool, Id p) { return solvable_lookup_location(pool_id2solvable(pool, p), 0); }
const char *osw_source_package(Pool *pool, Id p) { return solvable_lookup_sourcepkg(pool_id2solvable(pool, p)); }
const char *osw_checksum(Pool *pool, Id p, Id *type) { return pool_lookup_checksum(pool, p, SOLVABLE_CHECKSUM, type); }
Id osw_checksum_key(void) { return SOLVABLE_CHECKSUM; }

void osw_add_file(Repodata *data, Id p, const char *directory, const char *name)
{
  repodata_add_dirstr(data, p, SOLVABLE_FILELIST, repodata_str2dir(data, directory, 1), name);
}

static int file(void *files, Solvable *s, Repodata *data, Repokey *key, KeyValue *kv)
{
  void (*each)(void *, const char *) = *(void (**)(void *, const char *))files;
  (void)s;
  each(files, repodata_dir2str(data, kv->id, kv->str));
  (void)key;
  return 0;
}

/* Calls the function that `files` begins with for each file. */
void osw_files(Pool *pool, Id p, void *files)
{
  repo_search(pool->solvables[p].repo, p, SOLVABLE_FILELIST, 0, SEARCH_FILES, file, files);
}

/* The packages that are there: one bit each; none: all. */
void osw_consider(Pool *pool, const unsigned char *bits, int length)
{
  if (pool->considered)
    {
      map_free(pool->considered);
      free(pool->considered);
      pool->considered = 0;
    }
  if (!bits)
    return;
  pool->considered = calloc(1, sizeof(Map));
  if (!pool->considered)
    abort();
  map_init(pool->considered, pool->nsolvables);
  if (length > pool->considered->size)
    length = pool->considered->size;
  for (int i = 0; i < length; i++)
    pool->considered->map[i] = bits[i];
}

void osw_providers(Pool *pool, Id dependency, Queue *queue)
{
  Id p, pp;
  FOR_PROVIDES(p, pp, dependency)
    if (p != SYSTEMSOLVABLE)
      queue_push(queue, p);
}

/* 1 when something may provide this string. */
int osw_is_provided(const Pool *pool, Id id) { return pool->whatprovides && pool->whatprovides[id] > 1; }

int osw_matches(Pool *pool, Id p, Id dependency) { return pool_match_nevr(pool, pool_id2solvable(pool, p), dependency); }

/* Packages of a repository as .solv; 0: done. Takes the descriptor. */
int osw_write(Repo *repo, int descriptor)
{
  FILE *fp = fdopen(descriptor, "w");
  if (!fp)
    {
      close(descriptor);
      return -1;
    }
  int result = repo_write(repo, fp);
  return fclose(fp) ? -1 : result;
}

int osw_read(Repo *repo, int descriptor)
{
  FILE *fp = fdopen(descriptor, "r");
  if (!fp)
    {
      close(descriptor);
      return -1;
    }
  int result = repo_add_solv(repo, fp, SOLV_ADD_NO_STUBS);
  fclose(fp);
  return result;
}

/* Packages that a solution installs, in the order of decisions. */
void osw_installed(Solver *solver, Queue *queue)
{
  Queue decisions;
  queue_init(&decisions);
  solver_get_decisionqueue(solver, &decisions);
  for (int i = 0; i < decisions.count; i++)
    if (decisions.elements[i] > SYSTEMSOLVABLE)
      queue_push(queue, decisions.elements[i]);
  queue_free(&decisions);
}
