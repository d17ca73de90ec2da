//! The words that the owner types to say yes.
//!
//! None begins with `b`, `o`, `q` or `r`, which are commands at the same prompt.

use getrandom::Error;

/// Two words from the list, drawn evenly and joined by a dash: more than 19 bits, so that three guesses hit one time in
/// 200,000.
///
/// # Errors
/// The system's when it has no randomness.
pub(super) fn draw() -> Result<String, Error> {
    Ok(format!("{}-{}", WORDS[index()?], WORDS[index()?]))
}

/// An even draw below the list's length: draws in the last, partial stretch of `u32` are thrown away.
fn index() -> Result<usize, Error> {
    let count = WORDS.len() as u32;
    let limit = u32::MAX - u32::MAX % count;
    loop {
        let drawn = getrandom::u32()?;
        if drawn < limit {
            return Ok((drawn % count) as usize);
        }
    }
}

#[rustfmt::skip]
const WORDS: &[&str] = &[
    "acorn", "adobe", "agate", "album", "alley", "almond", "alpine", "amber", "ample", "anchor", "angle", "ankle",
    "annex", "antler", "apple", "april", "apron", "arbor", "arcade", "arctic", "arena", "arrow", "artist", "ascot",
    "aspen", "aster", "atlas", "attic", "autumn", "avenue", "award", "azure", "cabin", "cable", "cactus", "camel",
    "camera", "canal", "candle", "candy", "canoe", "canvas", "canyon", "captain", "caravan", "carbon", "cargo",
    "carol", "carpet", "carrot", "cartoon", "castle", "catalog", "cattle", "cavern", "cedar", "cellar", "cello",
    "cement", "census", "center", "ceramic", "chain", "chair", "chalk", "chapel", "chapter", "charm", "chart",
    "cheese", "cherry", "chess", "chest", "chimney", "cider", "cinema", "circle", "circus", "citrus", "clarion",
    "classic", "clever", "cliff", "climate", "clock", "cloth", "cloud", "clover", "cobalt", "cobweb", "cocoa",
    "coconut", "coffee", "collar", "colony", "comet", "compass", "concert", "copper", "coral", "corner", "cosmos",
    "cottage", "cotton", "country", "couple", "courier", "cradle", "crane", "crater", "crayon", "cream", "crisp",
    "crown", "cruise", "crystal", "cumin", "curtain", "cushion", "cycle", "cypress", "daily", "dairy", "daisy",
    "dance", "dapple", "decade", "decimal", "delta", "denim", "depot", "derby", "desert", "design", "detail",
    "dialog", "diamond", "diary", "diesel", "digit", "dimple", "dinner", "diorama", "disco", "distant", "dollar",
    "dolphin", "domain", "domino", "donkey", "dough", "dozen", "draft", "dragon", "drama", "drawer", "dream",
    "drift", "driver", "ducat", "dynamo", "eagle", "early", "earth", "easel", "easter", "eclair", "eighth",
    "elbow", "elder", "elegant", "element", "elixir", "ember", "emerald", "empire", "enamel", "encore", "energy",
    "engine", "enigma", "entry", "envoy", "epoch", "equal", "essay", "estate", "evening", "event", "exact",
    "example", "exhibit", "expert", "extra", "eyelet", "fable", "fabric", "factor", "falcon", "family", "fancy",
    "farmer", "fathom", "feather", "fellow", "fennel", "ferry", "festive", "fiber", "fiddle", "field", "fifty",
    "figure", "filter", "finch", "finger", "finish", "fjord", "flame", "flannel", "flash", "fleece", "flint",
    "float", "flock", "floral", "flour", "flower", "fluent", "flute", "focal", "foliage", "folio", "forest",
    "forge", "formal", "forum", "fossil", "foxtrot", "fragile", "frame", "freckle", "freight", "fresco", "friday",
    "fridge", "fringe", "frost", "fruit", "funnel", "future", "gable", "galaxy", "gallery", "gallop", "garden",
    "garlic", "garnet", "gather", "gazebo", "gecko", "genius", "gentle", "geyser", "giant", "gibbon", "ginger",
    "giraffe", "glacier", "glade", "glass", "gleam", "glider", "globe", "glove", "golden", "gondola", "goose",
    "gopher", "gospel", "grain", "grammar", "granite", "grape", "graph", "grass", "gravel", "green", "greet",
    "griddle", "grove", "guest", "guide", "guitar", "gusto", "gypsum", "habit", "haiku", "halibut", "hallway",
    "hamlet", "hammock", "handle", "harbor", "harmony", "harvest", "hazel", "heather", "helium", "helmet",
    "herald", "hermit", "heron", "hickory", "hiking", "hobby", "hockey", "holiday", "hollow", "honest", "honey",
    "horizon", "hornet", "horse", "hotel", "house", "humble", "hummus", "hundred", "husky", "hybrid", "hydrant",
    "iceberg", "icicle", "igloo", "iguana", "image", "impulse", "inbox", "index", "indigo", "infant", "ingot",
    "inkwell", "inlet", "insect", "island", "ivory", "jacket", "jaguar", "jargon", "jasmine", "jasper", "jelly",
    "jersey", "jester", "jewel", "jigsaw", "jockey", "jogger", "journal", "journey", "jovial", "judge", "juggler",
    "juice", "jumble", "jumper", "jungle", "junior", "juniper", "jurist", "kayak", "kazoo", "kernel", "kettle",
    "keyhole", "kimono", "kindle", "kingdom", "kiosk", "kitchen", "kitten", "knight", "koala", "label", "ladder",
    "ladle", "lagoon", "lantern", "lapel", "laptop", "larch", "lasso", "latch", "lattice", "laurel", "layer",
    "leader", "leaflet", "legend", "lemon", "lemur", "lentil", "leopard", "lesson", "letter", "lettuce", "level",
    "library", "lilac", "limber", "linden", "linen", "lintel", "lizard", "llama", "lobby", "lobster", "locket",
    "lodge", "logic", "lotus", "lucky", "luggage", "lumber", "lunar", "lunch", "lupine", "luster", "lyric",
    "machine", "magenta", "magic", "magnet", "mailbox", "major", "mallard", "mammal", "mango", "manor", "mantle",
    "maple", "marble", "margin", "marina", "market", "marlin", "marsh", "marvel", "mascot", "matinee", "meadow",
    "medal", "medley", "melody", "melon", "memory", "mentor", "mercury", "mermaid", "merry", "metal", "meteor",
    "metro", "midday", "middle", "million", "mimosa", "mineral", "minnow", "minute", "mirror", "mitten", "mixer",
    "mobile", "model", "modern", "module", "moment", "monday", "monkey", "monsoon", "month", "moose", "morning",
    "mosaic", "mostly", "motor", "mound", "muffin", "mural", "museum", "music", "mustard", "myrtle", "mystic",
    "nacho", "napkin", "narrow", "native", "nature", "nebula", "nectar", "needle", "nephew", "neptune", "nestle",
    "neutral", "nickel", "nimble", "ninety", "noble", "nomad", "noodle", "normal", "north", "notary", "notion",
    "novel", "number", "nursery", "nutmeg", "pacific", "paddle", "pagoda", "palace", "panda", "panel", "panther",
    "papaya", "paper", "parade", "parcel", "parrot", "parsley", "partner", "pasta", "pastel", "patio", "peach",
    "peanut", "pebble", "pelican", "pencil", "penguin", "pepper", "perch", "perfect", "petal", "phoenix", "phrase",
    "piano", "picnic", "picture", "pigeon", "pilot", "pioneer", "piper", "pixel", "pizza", "placid", "planet",
    "plaza", "pleat", "pocket", "polar", "polite", "pollen", "poplar", "poppy", "porch", "portal", "poster",
    "potato", "pottery", "prairie", "present", "pretzel", "prince", "prism", "profile", "project", "prompt",
    "proverb", "public", "pudding", "pueblo", "puffin", "pulley", "pulsar", "pumpkin", "puppet", "purple",
    "puzzle", "pyramid", "sable", "saddle", "saffron", "sailor", "salad", "salmon", "salute", "sample", "sandal",
    "sapling", "satchel", "satin", "saturn", "saucer", "savanna", "savory", "scarf", "scenic", "school", "science",
    "scooter", "scribe", "season", "second", "seldom", "senior", "sesame", "seven", "shadow", "shallow", "shelf",
    "shell", "shelter", "sheriff", "shield", "shiny", "shovel", "shrimp", "shuttle", "sierra", "signal", "silver",
    "simple", "singer", "siren", "sister", "sixty", "sketch", "skipper", "skyline", "sleeve", "slender", "slipper",
    "smooth", "snorkel", "social", "socket", "sodium", "solar", "solid", "sonata", "sonnet", "sorbet", "south",
    "spark", "sparrow", "special", "sphere", "spice", "spider", "spinach", "spiral", "splash", "spring", "spruce",
    "square", "squid", "stable", "stadium", "stamp", "starch", "station", "statue", "steam", "stereo", "stone",
    "storm", "story", "stream", "street", "string", "studio", "sturdy", "sugar", "summer", "summit", "sundae",
    "sunny", "sunset", "surface", "swallow", "sweater", "symbol", "syrup", "system", "table", "tablet", "tactic",
    "talent", "tandem", "tango", "tapioca", "target", "tartan", "tassel", "teacup", "teapot", "temple", "tempo",
    "tender", "tennis", "terrace", "textile", "texture", "theater", "thicket", "thimble", "thirty", "thistle",
    "thread", "throne", "thunder", "thyme", "ticket", "tiger", "timber", "tinsel", "titan", "toast", "toffee",
    "tomato", "topaz", "topic", "torch", "totem", "toucan", "tourist", "toward", "tractor", "traffic", "trail",
    "travel", "treble", "tribute", "trident", "trifle", "triple", "trolley", "trophy", "trout", "truffle",
    "trumpet", "tugboat", "tulip", "tundra", "tunnel", "turban", "turkey", "turnip", "turtle", "tuxedo", "twelve",
    "twenty", "typist", "umber", "umpire", "uncle", "union", "unison", "upland", "uplift", "uptown", "urban",
    "useful", "usual", "utopia", "vacant", "valley", "value", "vanilla", "vapor", "vault", "vector", "velvet",
    "vendor", "venture", "veranda", "verse", "vessel", "vibrant", "victor", "video", "village", "vinegar",
    "vintage", "violet", "violin", "virtual", "visit", "vista", "vital", "vivid", "vocal", "volcano", "volley",
    "voyage", "waffle", "wagon", "waiter", "walnut", "walrus", "waltz", "warbler", "water", "wealth", "weather",
    "weaver", "wedding", "weekend", "welcome", "western", "whale", "wharf", "wheat", "whisper", "whistle",
    "wicker", "widget", "willow", "window", "winner", "winter", "wisdom", "wizard", "wombat", "wonder", "wooden",
    "worker", "world", "worthy", "woven", "writer", "yacht", "yarrow", "yeast", "yellow", "yodel", "yogurt",
    "yonder", "young", "zebra", "zenith", "zephyr", "zigzag", "zinnia", "zipper", "zodiac",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn words_are_many_short_distinct_and_no_commands() {
        assert!(WORDS.len() >= 512, "{}", WORDS.len());
        assert_eq!(WORDS.iter().collect::<HashSet<_>>().len(), WORDS.len());
        for word in WORDS {
            assert!((5..=7).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase()), "{word}");
            assert!(!word.starts_with(['b', 'o', 'q', 'r']), "{word}");
        }
    }

    #[test]
    fn draws_differ_and_reach_the_whole_list() {
        let drawn: HashSet<String> = (0..200).map(|_| draw().unwrap()).collect();
        assert!(drawn.len() > 190, "{}", drawn.len());
        let seen: HashSet<usize> = (0..40 * WORDS.len()).map(|_| index().unwrap()).collect();
        assert_eq!(seen.len(), WORDS.len());
    }
}
