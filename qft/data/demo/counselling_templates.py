"""Sentences of the counselling dialogues, by language, part and place in the talk.

A real row: ``"It sounds as if you feel {feeling}, because {yours}."`` reflects what the client said.
Slots: {feeling}, {topic}; the situation as the client ({mine}) and as the counsellor ({yours}) says it;
{detail}, {question}, {step}. ``pool`` is trained on, ``test`` holds families met nowhere else.
"""

# fmt: off

TEMPLATES = {
    "en": {
        "pool": {
            "open": ["I feel {feeling} because {mine}.", "Hello. Lately I feel {feeling}, since {mine}.",
                     "Can we talk? {mine}, and now I feel {feeling}.", "{mine}. It makes me {feeling}.",
                     "I do not know where to start. {mine}, and I am so {feeling}."],
            "reflect": ["It sounds as if you feel {feeling}, because {yours}.",
                        "I hear that you feel {feeling}. {yours}, and that hurts.",
                        "Thank you for telling me. {yours}, so it is natural to feel {feeling}."],
            "ask": ["May I ask, {question}?", "Let us look closer: {question}?"],
            "detail": ["Well, {detail}.", "It is like this: {detail}."],
            "suggest": ["For {topic}, you could {step}. Shall we try that?",
                        "A small step with {topic}: {step}. How does that feel?"],
            "doubt": ["I am not sure that I can do it.", "And if it does not work?", "Thank you, I will try it."],
            "encourage": ["You need not do it perfectly. Being {feeling} is allowed, and I stay by your side.",
                          "We go at your pace. Next time tell me how {topic} went."],
        },
        "test": {
            "open": ["To be honest, I am {feeling}. It began when {mine}.", "Something happened: {mine}. I am {feeling} all day."],
            "reflect": ["I can feel how {feeling} you are, because {yours}.",
                        "Thank you for your trust. {yours}, and now you feel {feeling}."],
            "ask": ["Could you tell me, {question}?"],
            "detail": ["You know, {detail}."],
            "suggest": ["With {topic}, perhaps you could {step}. What do you think?"],
            "doubt": ["Maybe. It seems a lot to me."],
            "encourage": ["It is fine to go slowly. Tell me next time how {topic} went."],
        },
    },
    "zh": {
        "pool": {
            "open": ["{mine}，我觉得很{feeling}。", "你好，最近我很{feeling}，因为{mine}。", "可以聊聊吗？{mine}，现在我很{feeling}。",
                     "我不知道从哪里说起。{mine}，心里特别{feeling}。", "我很{feeling}。{mine}。"],
            "reflect": ["听起来你感到{feeling}，因为{yours}。", "我听到了你的{feeling}。{yours}，这很不容易。",
                        "谢谢你告诉我。{yours}，感到{feeling}是很自然的。"],
            "ask": ["我想问问，{question}？", "我们一起看看：{question}？"],
            "detail": ["嗯，{detail}。", "是这样的，{detail}。"],
            "suggest": ["关于{topic}，你可以试着{step}。你愿意吗？", "在{topic}上先走一小步：{step}。你觉得怎么样？"],
            "doubt": ["我不确定自己能做到。", "如果没有用呢？", "谢谢，我会试试的。"],
            "encourage": ["不必做到完美，{feeling}也是可以的，我会陪着你。", "我们按你的节奏来，下次告诉我{topic}的进展。"],
        },
        "test": {
            "open": ["说实话我挺{feeling}的，是从{mine}开始的。", "有件事发生了：{mine}。我整天都{feeling}。"],
            "reflect": ["我能感受到你的{feeling}，因为{yours}。", "谢谢你的信任。{yours}，现在你感到{feeling}。"],
            "ask": ["你能告诉我，{question}？"],
            "detail": ["你知道吗，{detail}。"],
            "suggest": ["关于{topic}，也许你可以{step}。你怎么看？"],
            "doubt": ["也许吧，对我来说有点难。"],
            "encourage": ["慢慢来也没关系，下次告诉我{topic}的进展。"],
        },
    },
}
