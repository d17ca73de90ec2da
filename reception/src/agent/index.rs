//! The inverted index over passages, in memory, with BM25 ranking.

use super::passages::Passage;
use super::words::Words;
use tantivy::collector::TopDocs;
use tantivy::directory::RamDirectory;
use tantivy::indexer::NoMergePolicy;
use tantivy::query::{BooleanQuery, BoostQuery, Occur, Query, TermQuery};
use tantivy::schema::{FAST, Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::{IndexReader, ReloadPolicy, TantivyDocument, Term};

/// Bytes that the indexer may use while it works: the least that it accepts.
const WORKING_MEMORY: usize = 15_000_000;
const ANALYZER: &str = "words";
/// How much a word in the headings above a passage counts, against 1 in the passage.
const HEADING_WEIGHT: f32 = 0.8;
/// The same for the document's title.
const TITLE_WEIGHT: f32 = 0.4;

/// Finds passages by their words.
pub(super) struct Index {
    reader: IndexReader,
    fields: Fields,
}

#[derive(Clone, Copy)]
struct Fields {
    body: Field,
    heading: Field,
    title: Field,
    number: Field,
}

/// A passage that was found.
pub(super) struct Hit {
    /// Its place among the passages.
    pub(super) passage: usize,
    pub(super) score: f32,
}

impl Index {
    pub(super) fn build(passages: &[Passage], words: &Words) -> tantivy::Result<Self> {
        let (schema, fields) = schema();
        let index = tantivy::Index::open_or_create(RamDirectory::create(), schema)?;
        index.tokenizers().register(ANALYZER, words.analyzer());
        let mut writer = index.writer_with_num_threads(1, WORKING_MEMORY)?;
        writer.set_merge_policy(Box::new(NoMergePolicy));
        for (number, passage) in (0u64..).zip(passages) {
            let mut document = TantivyDocument::new();
            document.add_text(fields.body, &passage.markdown);
            document.add_text(fields.heading, passage.heading.as_deref().unwrap_or_default());
            document.add_text(fields.title, &passage.title);
            document.add_u64(fields.number, number);
            writer.add_document(document)?;
        }
        writer.commit()?;
        writer.wait_merging_threads()?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self { reader, fields })
    }

    /// The `limit` best passages that have any of `words`, best first; equal scores in the order of publication.
    pub(super) fn search(&self, words: &[String], limit: usize) -> tantivy::Result<Vec<Hit>> {
        let searcher = self.reader.searcher();
        let found = searcher.search(&self.query(words), &TopDocs::with_limit(limit).order_by_score())?;
        let mut hits = Vec::with_capacity(found.len());
        for (score, address) in found {
            let column = searcher.segment_reader(address.segment_ord).fast_fields().u64("number")?;
            let number = column.first(address.doc_id).and_then(|n| usize::try_from(n).ok());
            hits.extend(number.map(|passage| Hit { passage, score }));
        }
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.passage.cmp(&b.passage)));
        Ok(hits)
    }

    /// How rare a word is among the passages (the weight BM25 gives it); highest for one that occurs nowhere.
    pub(super) fn rarity(&self, word: &str) -> tantivy::Result<f32> {
        let searcher = self.reader.searcher();
        let mut having = 0;
        for field in [self.fields.body, self.fields.heading, self.fields.title] {
            having = having.max(searcher.doc_freq(&Term::from_field_text(field, word))?);
        }
        let (all, having) = (searcher.num_docs() as f32, having as f32);
        Ok((1.0 + (all - having + 0.5) / (having + 0.5)).ln())
    }

    fn query(&self, words: &[String]) -> BooleanQuery {
        let weights =
            [(self.fields.body, 1.0), (self.fields.heading, HEADING_WEIGHT), (self.fields.title, TITLE_WEIGHT)];
        let clauses = words.iter().flat_map(|word| {
            weights.map(|(field, weight)| {
                let term = TermQuery::new(Term::from_field_text(field, word), IndexRecordOption::WithFreqs);
                (Occur::Should, Box::new(BoostQuery::new(Box::new(term), weight)) as Box<dyn Query>)
            })
        });
        BooleanQuery::new(clauses.collect())
    }
}

fn schema() -> (Schema, Fields) {
    let text = TextOptions::default().set_indexing_options(
        TextFieldIndexing::default().set_tokenizer(ANALYZER).set_index_option(IndexRecordOption::WithFreqs),
    );
    let mut schema = Schema::builder();
    let fields = Fields {
        body: schema.add_text_field("body", text.clone()),
        heading: schema.add_text_field("heading", text.clone()),
        title: schema.add_text_field("title", text),
        number: schema.add_u64_field("number", FAST),
    };
    (schema.build(), fields)
}
