# %% [markdown]
# A notebook as a script: each `# %%` is a cell, in VS Code, PyCharm, Spyder or Jupyter (with jupytext). It runs as it
# is, too, after `make demo`: `.venv/bin/python docs/analysts_notebook.py`. On AWS leave FOLDER out, set MANGA_BUCKET.

# %%
import os

from manga_enrichment.analysts import load

FOLDER = os.environ.get("TABLES", ".local/tables")

# %% One row per title; only the columns that are needed are read
titles = load("enriched_catalog", ["manga_id", "title", "primary_genre", "reading_level", "genres"], folder=FOLDER)
print(f"{len(titles)} titles, {titles['primary_genre'].notna().mean():.0%} with a genre")

# %% How genres and reading levels go together
levels = titles.groupby(["primary_genre", "reading_level"]).size().unstack(fill_value=0)
print(levels)

# %% Lists are lists: one row for each genre of a title
genres = titles.explode("genres").dropna(subset="genres")
genres["genre"] = genres["genres"].str["genre"]
genres["confidence"] = genres["genres"].str["confidence"].astype(float)
print(genres.groupby("genre")["confidence"].agg(["count", "mean"]).sort_values("count", ascending=False).head(10))

# %% What answers cost: integers of micro-dollars, divided once, after summing
requests = load("requests", ["run_date", "analysis", "attempt", "cost_micro_usd"], folder=FOLDER)
asked = requests[requests["attempt"] > 0]
cost = asked.groupby(["run_date", "analysis"])["cost_micro_usd"].sum() / 1_000_000
print(cost)

# %% Why titles have no answer
outcomes = load("outcomes", ["analysis", "outcome", "reason"], folder=FOLDER)
missing = outcomes[outcomes["outcome"] != "succeeded"].groupby(["analysis", "reason"]).size()
print(missing)
