"""The parts of the token manager: its policy, its scripts' answers, its picture of the account."""
