"""What the app says of itself."""

from __future__ import annotations

TAGLINE = "Which of 28 emotions a text shows, as a small model reads it."

LIMITS = """
- **No moderation model.** The toxicity reading is a heuristic: it only asks how much probability
  lies on hostile emotions. A calm insult passes, honest anger does not. Decide about nobody with
  it.
- **English Reddit from before 2020.** That is what GoEmotions holds. Other languages, other
  places and later slang are read badly, and the biases of that place and of its raters are in it.
- **People disagree too.** Raters often chose different emotions for one comment, and rare ones
  (grief, pride, relief) were seen too seldom to be learnt well.
- **Why sadness is left out.** The original study called a comment toxic when its emotion was
  anger, annoyance, disapproval, disgust or *sadness*. To be sad is not to be toxic, and calling
  it so would silence those who need to be heard. That rule is shown for comparison; the better
  reading leaves sadness out. You can change its emotions and threshold in the sidebar.
- **A text is short.** What lies beyond the model's longest text (at most 128 tokens) is not read;
  the app says so when it happens.
- **Words' effects are a hint.** They show how the score changes when a word is left out, not what
  the writer felt.
"""

PRIVACY = (
    "Your texts are read on the machine that runs this app, stay in this visit's memory, and are "
    "neither logged nor put into the link."
)

SHORT_LIMIT = "For English comments; no moderation model."
